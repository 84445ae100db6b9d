"""Bilinear pooling, in full and factorised, with and without x * z: eqs. 21-24.

The text leaves open which layers follow the bilinear form; they are those of the published code, and with x * z also
its "combine layer".
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from dfuse_jax.models.fusion.base import FusionModule
from dfuse_jax.models.layers import dense, layer_norm


class Form(nn.Module):
    """The bilinear form: W_o of all products x_i z_j, with bias."""

    @nn.compact
    def __call__(self, x: Float[Array, "batch width"], z: Float[Array, "batch width"]) -> Float[Array, "batch width"]:
        """Returns the form of x and z."""
        width = x.shape[-1]
        he = nn.initializers.he_normal(in_axis=(0, 1), out_axis=2)
        kernel = self.param("kernel", he, (width, width, width), float).astype(x.dtype)
        bias = self.param("bias", nn.initializers.zeros, (width,), float).astype(x.dtype)
        return jnp.einsum("bi,bj,ijo->bo", x, z, kernel) + bias[None]


def factorised(x: Float[Array, "batch width"], z: Float[Array, "batch width"]) -> Float[Array, "batch width"]:
    """Returns W_o((W_p x) * (W_q z)), each with a bias, twice as wide inside; the layers are the calling module's."""
    width = x.shape[-1]
    x_factor = dense(2 * width, name="x_factor")(x)
    z_factor = dense(2 * width, name="z_factor")(z)
    return dense(width, name="out")(x_factor * z_factor)


class Bilinear(FusionModule):
    """Eq. 21: F = refine(LN(W_o (x z^T))), x = W_1 H and z = W_2 Z."""

    @nn.compact
    def __call__(self, frames: Array, dmarkers: Array, train: bool) -> Array:
        form = Form(name="form")(self.x(frames), self.z(dmarkers))
        return self.refine(layer_norm(name="norm")(form), train)


class BilinearHadamard(FusionModule):
    """Eq. 22: F = refine(LN(ReLU(W_c (W_o (x z^T) + x * z))))."""

    @nn.compact
    def __call__(self, frames: Array, dmarkers: Array, train: bool) -> Array:
        x, z = self.x(frames), self.z(dmarkers)
        combined = nn.relu(dense(self.width, name="combine")(Form(name="form")(x, z) + x * z))
        return self.refine(layer_norm(name="norm")(combined), train)


class FactorizedBilinear(FusionModule):
    """Eq. 23: F = refine(LN(W_o((W_p x) * (W_q z))))."""

    @nn.compact
    def __call__(self, frames: Array, dmarkers: Array, train: bool) -> Array:
        return self.refine(layer_norm(name="norm")(factorised(self.x(frames), self.z(dmarkers))), train)


class FactorizedBilinearHadamard(FusionModule):
    """Eq. 24: F = refine(LN(ReLU(W_c (W_o((W_p x) * (W_q z)) + x * z))))."""

    @nn.compact
    def __call__(self, frames: Array, dmarkers: Array, train: bool) -> Array:
        x, z = self.x(frames), self.z(dmarkers)
        combined = nn.relu(dense(self.width, name="combine")(factorised(x, z) + x * z))
        return self.refine(layer_norm(name="norm")(combined), train)

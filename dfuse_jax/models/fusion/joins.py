"""Fusions that join, add or multiply: eqs. 8-12 and 25, and the baseline without D-Markers."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from dfuse_jax.models.fusion.base import FusionModule, pooled
from dfuse_jax.models.layers import dense, layer_norm


class NoFusion(FusionModule):
    """F = H: the encoder alone, which is MeshSmileNet [24], the paper's baseline (Table 5)."""

    def __call__(self, frames: Array, dmarkers: Array, train: bool) -> Array:
        return pooled(frames)


class Concatenation(FusionModule):
    """Eq. 8: F = MLP([x; z]).

    The text's "four-layer MLP (256, 256, 256, 256)" fits neither the 512 numbers of its input nor its own count of
    layers: the MLP is that of the published code, which is `refine`. `authors`: H in place of x.
    """

    @nn.compact
    def __call__(self, frames: Array, dmarkers: Array, train: bool) -> Array:
        x, z = self.x_or_embedding(frames), self.z(dmarkers)
        return self.refine(jnp.concatenate([x, z], axis=-1), train)


def gated(x: Float[Array, "batch width"], z: Float[Array, "batch width"]) -> Float[Array, "batch width"]:
    """Returns g x + (1 - g) z with a gate for every component, g = sigmoid(W_g [x; z]), the calling module's layer."""
    g = nn.sigmoid(dense(x.shape[-1], name="gate")(jnp.concatenate([x, z], axis=-1)))
    return g * x + (1 - g) * z


class GatedConcatenation(FusionModule):
    """Eq. 9: F = refine(g x + (1 - g) z), g = sigmoid(W_g [x; z]). `authors`: H in place of x."""

    @nn.compact
    def __call__(self, frames: Array, dmarkers: Array, train: bool) -> Array:
        return self.refine(gated(self.x_or_embedding(frames), self.z(dmarkers)), train)


class Additive(FusionModule):
    """Eqs. 10-11: F = MLP(LN(a_1 x' + a_2 z')), a = softmax(W_a [x'; z']), x' and z' = dropout(ReLU(LN(x or z))).

    What follows the sum is not in eq. 11 but in the published code: LN, and `refine` at twice the width inside.
    """

    @nn.compact
    def __call__(self, frames: Array, dmarkers: Array, train: bool) -> Array:
        x = self.drop(nn.relu(layer_norm(name="x_norm")(self.x(frames))), train)
        z = self.drop(nn.relu(layer_norm(name="z_norm")(self.z(dmarkers))), train)
        a = nn.softmax(dense(2, name="weights")(jnp.concatenate([x, z], axis=-1)))
        mixed = layer_norm(name="norm")(a[:, :1] * x + a[:, 1:] * z)
        return self.refine(mixed, train, hidden=2 * self.width)


class Hadamard(FusionModule):
    """Eq. 12: F = refine(x * z)."""

    @nn.compact
    def __call__(self, frames: Array, dmarkers: Array, train: bool) -> Array:
        return self.refine(self.x(frames) * self.z(dmarkers), train)


class GatedConcatenationHadamard(FusionModule):
    """Eq. 25: F = refine(x * z + g x + (1 - g) z), g = sigmoid(W_g [x; z]). `authors`: H in place of the gated x."""

    @nn.compact
    def __call__(self, frames: Array, dmarkers: Array, train: bool) -> Array:
        x, z = self.x(frames), self.z(dmarkers)
        mixed = gated(pooled(frames) if self.variant == "authors" else x, z)
        return self.refine(x * z + mixed, train)

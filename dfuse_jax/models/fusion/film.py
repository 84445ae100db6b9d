"""Feature-wise linear modulation (FiLM): eqs. 19 and 20."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from dfuse_jax.models.fusion.base import FusionModule
from dfuse_jax.models.layers import dense, layer_norm


def gamma_beta(z: Float[Array, "batch width"]) -> tuple[Float[Array, "batch width"], Float[Array, "batch width"]]:
    """Returns the two halves of the conditioning network Linear-ReLU-Linear, 256 -> 512 -> 512.

    Its layers are the calling module's.
    """
    width = 2 * z.shape[-1]
    conditions = dense(width, name="film_out")(nn.relu(dense(width, name="film_in")(z)))
    gamma, beta = jnp.split(conditions, 2, axis=-1)
    return gamma, beta


class Film(FusionModule):
    """Eq. 19: F = refine(gamma * LN(x) + beta), [gamma, beta] = ReLU(MLP(z)). `authors`: x without LN.

    "With ReLU activation" leaves open whether the second layer has one. The published code has it, so neither gamma nor
    beta is ever negative.
    """

    @nn.compact
    def __call__(self, frames: Array, dmarkers: Array, train: bool) -> Array:
        x = self.x(frames)
        if self.variant != "authors":
            x = layer_norm(name="x_norm")(x)
        gamma, beta = gamma_beta(self.z(dmarkers))
        return self.refine(nn.relu(gamma) * x + nn.relu(beta), train)


class FilmHadamard(FusionModule):
    """Eq. 20: F = refine(gamma * LN(x) + beta + x * z), [gamma', beta] = MLP(z), gamma = 2 sigmoid(gamma').

    The range of gamma and the lack of a second ReLU are the published code's; the equation says nothing of either.
    """

    @nn.compact
    def __call__(self, frames: Array, dmarkers: Array, train: bool) -> Array:
        x, z = self.x(frames), self.z(dmarkers)
        gamma, beta = gamma_beta(z)
        film = 2 * nn.sigmoid(gamma) * layer_norm(name="x_norm")(x) + beta
        return self.refine(film + x * z, train)

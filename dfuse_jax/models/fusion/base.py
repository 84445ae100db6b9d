"""What the fusions have in common."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from dfuse_jax.models.layers import Dropout, dense


class FusionModule(nn.Module):
    """Fuses the frames' embeddings, whose mean is H, and the D-Markers Z to one vector F.

    In the equations x = W_x H and z = W_z Z, both with a bias and of length `width` (section 3.3).

    Attributes:
        width: of the frames' embeddings and of F.
        dropout: rate.
        variant: "paper", or "authors" for what the published code does where the two differ.
    """

    width: int
    dropout: float | Float[Array, ""]
    variant: str = "paper"

    def __call__(
        self, frames: Float[Array, "batch frames width"], dmarkers: Float[Array, "batch 225"], train: bool
    ) -> Float[Array, "batch width"]:
        """Returns F."""
        raise NotImplementedError

    @nn.nowrap
    def x(self, frames: Float[Array, "batch frames width"]) -> Float[Array, "batch width"]:
        """Returns x = W_x H."""
        return dense(self.width, name="x_map")(pooled(frames))

    @nn.nowrap
    def x_or_embedding(self, frames: Float[Array, "batch frames width"]) -> Float[Array, "batch width"]:
        """Returns x; H in the variant `authors`, for fusions whose published code takes H in place of x."""
        return pooled(frames) if self.variant == "authors" else self.x(frames)

    @nn.nowrap
    def z(self, dmarkers: Float[Array, "batch 225"]) -> Float[Array, "batch width"]:
        """Returns z = W_z Z."""
        return dense(self.width, name="z_map")(dmarkers)

    @nn.nowrap
    def refine(
        self, x: Float[Array, "batch inputs"], train: bool, hidden: int | None = None
    ) -> Float[Array, "batch width"]:
        """Applies the "fusion MLP", Linear-ReLU-dropout-Linear-ReLU, with a hidden layer as wide as F by default."""
        x = nn.relu(dense(hidden or self.width, name="refine_in")(x))
        return nn.relu(dense(self.width, name="refine_out")(self.drop(x, train)))

    @nn.nowrap
    def drop(self, x: Array, train: bool) -> Array:
        """Applies dropout in training."""
        return Dropout(self.dropout)(x, train)


def pooled(frames: Float[Array, "batch frames width"]) -> Float[Array, "batch width"]:
    """Returns the clip's embedding H (eq. 1), the mean over its frames."""
    return jnp.mean(frames, axis=1)

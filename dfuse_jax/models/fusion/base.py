"""What the fusions have in common."""

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from dfuse_jax.models.layers import Dropout, dense


class FusionModule(nn.Module):
    """Frame embeddings [B, T, width] and D-Markers [B, 225] to one vector F: [B, width].

    In the equations x = W_x H and z = W_z Z, both with a bias and of length `width` (section 3.3).

    Attributes:
        width: of the frames' embeddings and of F.
        dropout: rate.
        variant: "paper", or "authors" for what the published code does where the two differ.
    """

    width: int
    dropout: float
    variant: str = "paper"

    @nn.nowrap
    def x(self, frames: Array) -> Array:
        """x = W_x H: [B, T, width] -> [B, width]."""
        return dense(self.width, name="x_map")(pooled(frames))

    @nn.nowrap
    def x_or_embedding(self, frames: Array) -> Array:
        """The same for fusions whose published code takes H itself for x, which is their option `authors`."""
        return pooled(frames) if self.variant == "authors" else self.x(frames)

    @nn.nowrap
    def z(self, dmarkers: Array) -> Array:
        """z = W_z Z: [B, 225] -> [B, width]."""
        return dense(self.width, name="z_map")(dmarkers)

    @nn.nowrap
    def refine(self, x: Array, train: bool, hidden: int | None = None) -> Array:
        """The "fusion MLP": Linear-ReLU-dropout-Linear-ReLU, [B, any] -> [B, width]."""
        x = nn.relu(dense(hidden or self.width, name="refine_in")(x))
        return nn.relu(dense(self.width, name="refine_out")(self.drop(x, train)))

    @nn.nowrap
    def drop(self, x: Array, train: bool) -> Array:
        """Dropout in training."""
        return Dropout(self.dropout)(x, train)


def pooled(frames: Array) -> Array:
    """The clip's embedding H (eq. 1), the mean over its frames: [B, T, width] -> [B, width]."""
    return jnp.mean(frames, axis=1)

"""How the encoder's embedding H and the D-Markers Z become one vector (paper section 3.3, eqs. 8-25)."""

from collections.abc import Callable

import flax.linen as nn
from jax import Array

from dfuse_jax.models.layers import dense


class Refine(nn.Module):
    """Linear-ReLU-dropout-Linear-ReLU at one width: [B, D] -> [B, D]."""

    width: int
    dropout: float

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        x = nn.relu(dense(self.width, name="first")(x))
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return nn.relu(dense(self.width, name="second")(x))


class Hadamard(nn.Module):
    """Multiplicative fusion, eq. 12: F = refine(W_x H * W_z Z)."""

    width: int
    dropout: float

    @nn.compact
    def __call__(self, embedding: Array, dmarkers: Array, train: bool) -> Array:
        x = dense(self.width, name="x")(embedding)
        z = dense(self.width, name="z")(dmarkers)
        return Refine(self.width, self.dropout, name="refine")(x * z, train)


FUSIONS: dict[str, Callable[..., nn.Module]] = {"hadamard": Hadamard}
"""Name -> module (width, dropout), called with (H [B, D], Z [B, 225], train) -> F [B, width]."""

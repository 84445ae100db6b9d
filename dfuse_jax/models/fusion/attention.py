"""Fusions by attention: the paper's four, eqs. 13-18, which attend to one token, and one that attends to several.

With one key the softmax is 1 whatever the query: the four return their value, a map of the D-Markers. They cannot see
the encoder, and nothing but the head is trained.
"""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dfuse_jax.models.fusion.base import FusionModule
from dfuse_jax.models.layers import dense, linear

HEADS = 4  # of eqs. 14 and 17


def attend(
    query: Float[Array, "batch queries width"],
    key: Float[Array, "batch keys width"],
    value: Float[Array, "batch keys width"],
    heads: int = HEADS,
) -> Float[Array, "batch queries width"]:
    """Returns softmax(q k^T / sqrt(width / heads)) v of all heads.

    Raises:
        ValueError: the width is not a multiple of the number of heads.
    """
    width = query.shape[-1]
    if width % heads:
        raise ValueError(
            f"this fusion has {heads} heads, but the model's width of {width} is not a multiple of {heads}."
        )
    q, k, v = (a.reshape(*a.shape[:2], heads, -1) for a in (query, key, value))
    weights = nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", q, k) / np.sqrt(q.shape[-1]).astype(q.dtype))
    return jnp.einsum("bhqk,bkhd->bqhd", weights, v).reshape(query.shape)


class SingleHead(FusionModule):
    """Eq. 13, and eqs. 15-16, which are the same: F = refine(softmax((W_Q x)(W_K z)^T / sqrt(256)) W_V z).

    W_Q, W_K, W_V with biases. The text calls eqs. 15-16 bidirectional; neither they nor the published code are.
    """

    @nn.compact
    def __call__(self, frames: Array, dmarkers: Array, train: bool) -> Array:
        x, z = self.x(frames)[:, None], self.z(dmarkers)[:, None]
        query = dense(self.width, name="query")(x)
        key = dense(self.width, name="key")(z)
        value = dense(self.width, name="value")(z)
        return self.refine(attend(query, key, value, heads=1)[:, 0], train)


class MultiHead(FusionModule):
    """Eq. 14: F = refine(dropout(W_O [head_1; ...; head_4])), which attend with W_Q x, W_K z, W_V z without biases."""

    @nn.compact
    def __call__(self, frames: Array, dmarkers: Array, train: bool) -> Array:
        x, z = self.x(frames)[:, None], self.z(dmarkers)[:, None]
        query = linear(self.width, name="query")(x)
        key = linear(self.width, name="key")(z)
        value = linear(self.width, name="value")(z)
        attended = dense(self.width, name="out")(attend(query, key, value))
        return self.refine(self.drop(attended, train)[:, 0], train)


class MultiHeadCross(FusionModule):
    """Eqs. 17-18: F = dropout(W_O [head_1; ...; head_4]), keys and values one map of z. `authors`: H in place of x."""

    @nn.compact
    def __call__(self, frames: Array, dmarkers: Array, train: bool) -> Array:
        query = linear(self.width, name="query")(self.x_or_embedding(frames))[:, None]
        key_value = linear(2 * self.width, name="key_value")(self.z(dmarkers))[:, None]
        key, value = jnp.split(key_value, 2, axis=-1)
        attended = dense(self.width, name="out")(attend(query, key, value))
        return self.drop(attended, train)[:, 0]


class Tokens(nn.Module):
    """Maps the D-Markers' 9 groups (3 regions x 3 phases), each by a linear map with bias of its own, to tokens.

    Attributes:
        width: of a token.
        groups: how many there are, of equal size.
    """

    width: int
    groups: int = 9

    @nn.compact
    def __call__(self, dmarkers: Float[Array, "batch 225"]) -> Float[Array, "batch groups width"]:
        """Returns the tokens."""
        x = dmarkers.reshape(len(dmarkers), self.groups, -1)
        shape = (self.groups, x.shape[-1], self.width)
        kernel = self.param("kernel", nn.initializers.he_normal(batch_axis=0), shape, float)
        bias = self.param("bias", nn.initializers.zeros, (self.groups, self.width), float)
        return jnp.einsum("bgi,gio->bgo", x, kernel.astype(x.dtype)) + bias.astype(x.dtype)[None]


class TokenAttention(FusionModule):
    """Not in the paper: F = refine(mean over frames t of x_t + dropout(W_O [head_1; ...; head_4](x_t, tokens))).

    x_t = W_x of frame t's embedding attends to the D-Markers' 9 tokens, so their weights differ by frame and by clip.
    The maps are those of eq. 14; the sum with x_t is the transformer's residual, without which the encoder would only
    weigh the D-Markers.
    """

    @nn.compact
    def __call__(self, frames: Array, dmarkers: Array, train: bool) -> Array:
        x = dense(self.width, name="x_map")(frames)
        tokens = Tokens(self.width, name="tokens")(dmarkers)
        query = linear(self.width, name="query")(x)
        key = linear(self.width, name="key")(tokens)
        value = linear(self.width, name="value")(tokens)
        attended = dense(self.width, name="out")(attend(query, key, value))
        return self.refine(jnp.mean(x + self.drop(attended, train), axis=1), train)

"""Pre-norm transformer blocks, and the space-time transformer of MeshSmileNet [24].

The latter attends along one axis at a time.
"""

import functools
from collections.abc import Callable

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dfuse_jax.models.layers import Dropout, dense, layer_norm


def positional_encoding(length: int, width: int) -> Float[np.ndarray, "length width"]:
    """Returns the code of "Attention Is All You Need", section 3.5: sine and cosine in turn."""
    angle = np.arange(length)[:, None] * np.exp(np.arange(0, width, 2) * (-np.log(10000.0) / width))[None]
    return np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(length, -1)[:, :width].astype(np.float32)


class Attention(nn.Module):
    """Multi-head self-attention over the last axis but one.

    Attributes:
        heads: how many there are.
        head_width: width of a head.
        dropout: rate.
        coded: whether the positions' code is added inside, as MeshSmileNet does it in every block.
        activated: whether GELU follows the output map, as in P4Transformer.
        dense: makes the linear maps.
        kernels: "plain", or "fused" for a GPU's kernels, see `models.kernels`.
    """

    heads: int
    head_width: int
    dropout: float | Float[Array, ""]
    coded: bool = True
    activated: bool = False
    dense: Callable[..., nn.Module] = dense
    kernels: str = "plain"

    @nn.compact
    def __call__(self, x: Float[Array, "*batch length width"], train: bool) -> Float[Array, "*batch length width"]:
        """Returns what every position attends to."""
        length, width = x.shape[-2:]
        if self.coded:
            code = jnp.asarray(positional_encoding(length, width), x.dtype)
            code = code.reshape((1,) * (x.ndim - 2) + code.shape)
            # The normed input stands beside its coded copy, as published: in evaluation this is 2 x + code.
            x = x + Dropout(self.dropout)(x + code, train)
        qkv = self.dense(3 * self.heads * self.head_width, use_bias=False, name="qkv")(x)
        qkv = qkv.reshape(*x.shape[:-1], 3, self.heads, self.head_width)
        x = self._attend(qkv).reshape(*x.shape[:-1], -1)
        x = self.dense(width, name="out")(x)
        if self.activated:
            x = nn.gelu(x, approximate=False)
        return Dropout(self.dropout)(x, train)

    def _attend(self, qkv: Float[Array, "*batch length 3 heads width"]) -> Float[Array, "*batch length heads width"]:
        if self.kernels == "fused":
            from dfuse_jax.models.kernels.attention import attend  # imports Pallas, which the others do not need

            return attend(qkv)
        return attend_plainly(qkv)


def attend_plainly(qkv: Float[Array, "*batch length 3 heads width"]) -> Float[Array, "*batch length heads width"]:
    """Returns softmax(q k^T / sqrt(width)) v of every head."""
    q, k, v = jnp.moveaxis(qkv, -3, 0)
    weights = nn.softmax(jnp.einsum("...qhd,...khd->...hqk", q, k) * qkv.shape[-1] ** -0.5)
    return jnp.einsum("...hqk,...khd->...qhd", weights, v)


class Block(nn.Module):
    """Pre-norm attention and MLP, each with its residual.

    Attributes:
        heads: of the attention.
        head_width: width of a head.
        mlp: hidden width of the MLP.
        dropout: rate.
        coded: see `Attention`.
        activated: see `Attention`.
        dense: makes the linear maps.
        kernels: see `Attention`.
    """

    heads: int
    head_width: int
    mlp: int
    dropout: float | Float[Array, ""]
    coded: bool = True
    activated: bool = False
    dense: Callable[..., nn.Module] = dense
    kernels: str = "plain"

    @nn.compact
    def __call__(self, x: Float[Array, "*batch length width"], train: bool) -> Float[Array, "*batch length width"]:
        """Returns the block's output."""
        attention = Attention(
            heads=self.heads,
            head_width=self.head_width,
            dropout=self.dropout,
            coded=self.coded,
            activated=self.activated,
            dense=self.dense,
            kernels=self.kernels,
            name="attention",
        )
        x = x + attention(layer_norm(name="attention_norm")(x), train)
        h = self._activate(self.dense(self.mlp, name="mlp_in")(layer_norm(name="mlp_norm")(x)))
        h = self.dense(x.shape[-1], name="mlp_out")(Dropout(self.dropout)(h, train))
        return x + Dropout(self.dropout)(h, train)

    def _activate(self, h: Float[Array, "*batch length hidden"]) -> Float[Array, "*batch length hidden"]:
        if self.kernels == "fused":
            from dfuse_jax.models.kernels.gelu import gelu  # imports Pallas, which the others do not need

            return gelu(h)
        return nn.gelu(h, approximate=False)


class SpaceTime(nn.Module):
    """Tokens of frames to an embedding of each frame.

    Attributes:
        depth: blocks on [frame, token], attending in turn along frames (the 1st, 3rd, ...) and along tokens.
        time_depth: blocks along the frames after the mean over tokens.
        heads: heads of each attention.
        head_width: width of a head.
        mlp: hidden width of a block's MLP.
        dropout: rate everywhere.
        kernels: see `Attention`.
    """

    depth: int
    time_depth: int
    heads: int
    head_width: int
    mlp: int
    dropout: float | Float[Array, ""]
    kernels: str = "plain"

    @nn.compact
    def __call__(self, x: Float[Array, "batch frames tokens width"], train: bool) -> Float[Array, "batch frames width"]:
        """Returns the embeddings of the frames."""
        block = functools.partial(
            Block,
            heads=self.heads,
            head_width=self.head_width,
            mlp=self.mlp,
            dropout=self.dropout,
            kernels=self.kernels,
        )
        for number in range(self.depth):
            along_tokens = number % 2 == 1
            x = x if along_tokens else jnp.swapaxes(x, 1, 2)
            x = block(name=f"space_time_{number}")(x, train)
            x = x if along_tokens else jnp.swapaxes(x, 1, 2)
        x = jnp.mean(x, axis=2)
        for number in range(self.time_depth):
            x = block(name=f"time_{number}")(x, train)
        return x

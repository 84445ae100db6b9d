"""Pre-norm transformer blocks, and the space-time transformer of MeshSmileNet [24].

The latter attends along one axis at a time.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dfuse_jax.models.layers import Drop, Dropout, dense, drop, layer_norm

FRAMES, TOKENS = 1, 2  # axes of [batch, frames, tokens, width]


def positional_encoding(length: int, width: int) -> Float[np.ndarray, "length width"]:
    """Returns the code of "Attention Is All You Need", section 3.5: sine and cosine in turn."""
    angle = np.arange(length)[:, None] * np.exp(np.arange(0, width, 2) * (-np.log(10000.0) / width))[None]
    return np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(length, -1)[:, :width].astype(np.float32)


class Drops(NamedTuple):
    """What a block's dropout drops; None: nothing.

    Attributes:
        code: of the normed input beside its code.
        attention: of what positions attend to.
        hidden: of the MLP's hidden layer.
        mlp: of the MLP's output.
    """

    code: Drop | None
    attention: Drop | None
    hidden: Drop | None
    mlp: Drop | None


class Attention(nn.Module):
    """Multi-head self-attention over the last axis but one.

    Attributes:
        heads: how many there are.
        head_width: width of a head.
        coded: whether the positions' code is added inside, as MeshSmileNet does it in every block.
        activated: whether GELU follows the output map, as in P4Transformer.
        dense: makes the linear maps.
    """

    heads: int
    head_width: int
    coded: bool = True
    activated: bool = False
    dense: Callable[..., nn.Module] = dense

    @nn.compact
    def __call__(self, x: Float[Array, "*batch length width"], drops: Drops) -> Float[Array, "*batch length width"]:
        """Returns what every position attends to."""
        length, width = x.shape[-2:]
        if self.coded:
            code = jnp.asarray(positional_encoding(length, width), x.dtype)
            code = code.reshape((1,) * (x.ndim - 2) + code.shape)
            # The normed input stands beside its coded copy, as published: in evaluation this is 2 x + code.
            x = x + drop(x + code, drops.code)
        qkv = self.dense(3 * self.heads * self.head_width, use_bias=False, name="qkv")(x)
        qkv = qkv.reshape(*x.shape[:-1], 3, self.heads, self.head_width)
        x = self.dense(width, name="out")(attend(qkv).reshape(*x.shape[:-1], -1))
        if self.activated:
            x = nn.gelu(x, approximate=False)
        return drop(x, drops.attention)


def attend(qkv: Float[Array, "*batch length 3 heads width"]) -> Float[Array, "*batch length heads width"]:
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
        activated: see `Attention`; there are no kernels for it.
        dense: makes the linear maps.
        kernels: "plain", or "fused" for a GPU's kernels, see `models.kernels`, where 4 divides both widths.
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
    def __call__(
        self, x: Float[Array, "*positions width"], train: bool, axis: int = -2
    ) -> Float[Array, "*positions width"]:
        """Returns the block's output; it attends along an axis of the positions."""
        drops = Drops(*(Dropout(self.dropout).draw(train) for _ in Drops._fields))
        if self.kernels == "fused" and not self.is_initializing() and x.shape[-1] % 4 == self.mlp % 4 == 0:
            return self._fused(x, drops, axis)
        x = jnp.swapaxes(x, axis, -2)
        attention = Attention(
            heads=self.heads,
            head_width=self.head_width,
            coded=self.coded,
            activated=self.activated,
            dense=self.dense,
            name="attention",
        )
        x = x + attention(layer_norm(name="attention_norm")(x), drops)
        h = nn.gelu(self.dense(self.mlp, name="mlp_in")(layer_norm(name="mlp_norm")(x)), approximate=False)
        h = self.dense(x.shape[-1], name="mlp_out")(drop(h, drops.hidden))
        return jnp.swapaxes(x + drop(h, drops.mlp), axis, -2)

    def _fused(self, x: Float[Array, "*positions width"], drops: Drops, axis: int) -> Float[Array, "*positions width"]:
        from dfuse_jax.models.kernels.block import block  # imports Pallas, which the plain version does not need

        code = positional_encoding(x.shape[axis], x.shape[-1]) if self.coded else None
        return block(self.variables["params"], x, axis=axis, heads=self.heads, code=code, drops=drops)


class SpaceTime(nn.Module):
    """Tokens of frames to an embedding of each frame.

    Attributes:
        depth: blocks on [frame, token], attending in turn along frames (the 1st, 3rd, ...) and along tokens.
        time_depth: blocks along the frames after the mean over tokens.
        heads: heads of each attention.
        head_width: width of a head.
        mlp: hidden width of a block's MLP.
        dropout: rate everywhere.
        kernels: see `Block`.
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
            x = block(name=f"space_time_{number}")(x, train, axis=FRAMES if number % 2 == 0 else TOKENS)
        x = jnp.mean(x, axis=TOKENS)
        for number in range(self.time_depth):
            x = block(name=f"time_{number}")(x, train, axis=FRAMES)
        return x

"""Space-time transformer of MeshSmileNet [24]: pre-norm blocks that attend along one axis at a time."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax import Array

from dfuse_jax.models.layers import Dropout, dense, layer_norm, linear


def sinusoid(length: int, width: int) -> np.ndarray:
    """Positional code of "Attention Is All You Need", section 3.5: [length, width], sine and cosine in turn."""
    angle = np.arange(length)[:, None] * np.exp(np.arange(0, width, 2) * (-np.log(10000.0) / width))
    return np.stack([np.sin(angle), np.cos(angle)], axis=-1).reshape(length, -1)[:, :width].astype(np.float32)


class Attention(nn.Module):
    """Multi-head self-attention over the last axis but one: [..., S, width] -> the same."""

    heads: int
    head_width: int
    dropout: float

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        length, width = x.shape[-2:]
        # The normed input stands beside its coded copy, as published: in evaluation this is 2 x + code.
        x = x + Dropout(self.dropout)(x + jnp.asarray(sinusoid(length, width), x.dtype), train)
        qkv = linear(3 * self.heads * self.head_width, name="qkv")(x)
        q, k, v = jnp.moveaxis(qkv.reshape(*x.shape[:-1], 3, self.heads, self.head_width), -3, 0)
        weights = nn.softmax(jnp.einsum("...qhd,...khd->...hqk", q, k) * self.head_width**-0.5)
        x = jnp.einsum("...hqk,...khd->...qhd", weights, v).reshape(*x.shape[:-1], -1)
        return Dropout(self.dropout)(dense(width, name="out")(x), train)


class Block(nn.Module):
    """Pre-norm attention and MLP, each with its residual: [..., S, width] -> the same."""

    heads: int
    head_width: int
    mlp: int
    dropout: float

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        attention = Attention(self.heads, self.head_width, self.dropout, name="attention")
        x = x + attention(layer_norm(name="attention_norm")(x), train)
        h = nn.gelu(dense(self.mlp, name="mlp_in")(layer_norm(name="mlp_norm")(x)), approximate=False)
        h = dense(x.shape[-1], name="mlp_out")(Dropout(self.dropout)(h, train))
        return x + Dropout(self.dropout)(h, train)


class SpaceTime(nn.Module):
    """Tokens of frames to an embedding of each frame: [B, T, tokens, width] -> [B, T, width].

    Attributes:
        depth: blocks on [frame, token], attending in turn along frames (the 1st, 3rd, ...) and along tokens.
        time_depth: blocks along the frames after the mean over tokens.
        heads: heads of each attention.
        head_width: width of a head.
        mlp: hidden width of a block's MLP.
        dropout: rate everywhere.
    """

    depth: int
    time_depth: int
    heads: int
    head_width: int
    mlp: int
    dropout: float

    @nn.compact
    def __call__(self, x: Array, train: bool) -> Array:
        sizes = (self.heads, self.head_width, self.mlp, self.dropout)
        for number in range(self.depth):
            block = Block(*sizes, name=f"space_time_{number}")
            x = block(x, train) if number % 2 else jnp.swapaxes(block(jnp.swapaxes(x, 1, 2), train), 1, 2)
        x = jnp.mean(x, axis=2)
        for number in range(self.time_depth):
            x = Block(*sizes, name=f"time_{number}")(x, train)
        return x

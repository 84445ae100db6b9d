"""Point encoder: CurveNet on the landmarks of one frame, as MeshSmileNet [24] uses it (478 points, no subsampling).

CurveNet: T. Xiang et al., "Walk in the Cloud: Learning Curves for Point Clouds Shape Analysis", ICCV 2021. LPFA is its
local point feature aggregation, CIC its curve intervention convolution. M counts frames, N points, K neighbours.
"""

import flax.linen as nn
import jax.numpy as jnp
from jax import Array, lax
from jax.typing import DTypeLike

from dfuse_jax.models.curves import CurveAggregation, CurveGrouping, gather
from dfuse_jax.models.layers import batch_norm, leaky_relu, linear


def nearest(points: Array, k: int) -> Array:
    """The k nearest points of every point, itself first: [..., N, 3] -> [..., N, k] indices, without a gradient."""
    points = lax.stop_gradient(points)
    # Differences, not |a|^2 + |b|^2 - 2ab: a point's distance to itself is then exactly 0, also in float32.
    distance = sum(jnp.square(points[..., :, None, i] - points[..., None, :, i]) for i in range(3))
    return lax.top_k(-distance, k)[1]


def edges(points: Array, index: Array) -> Array:
    """[p_i, p_j, p_j - p_i] for every point and neighbour: [M, N, K, 9]."""
    p_j = gather(points, index)
    p_i = jnp.broadcast_to(points[:, :, None], p_j.shape)
    return jnp.concatenate([p_i, p_j, p_j - p_i], axis=-1)


class Entry(nn.Module):
    """The first LPFA, which has no features yet: edges [M, N, K, 9] -> [M, N, width], the maximum over neighbours."""

    width: int

    @nn.compact
    def __call__(self, edges: Array, train: bool) -> Array:
        x = linear(self.width, name="mlp")(edges)
        return jnp.max(leaky_relu(batch_norm(train, name="mlp_norm")(x)), axis=-2)


class LPFA(nn.Module):
    """CurveNet's local point feature aggregation: x [M, N, c], edges [M, N, K, 9] -> [M, N, c], mean of neighbours."""

    @nn.compact
    def __call__(self, x: Array, edges: Array, index: Array, train: bool) -> Array:
        width = x.shape[-1]
        position = batch_norm(train, name="position_norm")(linear(width, name="position")(edges))
        x = leaky_relu(gather(x, index) - x[:, :, None] + position)
        x = batch_norm(train, name="mlp_norm")(linear(width, name="mlp")(x))
        return jnp.mean(leaky_relu(x), axis=-2)


class CIC(nn.Module):
    """CurveNet's curve intervention convolution: x [M, N, in] -> [M, N, out], at width in / bottleneck inside."""

    features: int
    bottleneck: int
    curves: int
    steps: int
    variant: str

    @nn.compact
    def __call__(self, x: Array, edges: Array, index: Array, train: bool) -> Array:
        shortcut, width = x, x.shape[-1] // self.bottleneck
        x = leaky_relu(batch_norm(train, name="reduce_norm")(linear(width, name="reduce")(x)))
        curves = CurveGrouping(self.curves, self.steps, self.variant, name="grouping")(x, index[..., 1:], train)
        x = CurveAggregation(name="aggregation")(x, curves, train)
        x = LPFA(name="lpfa")(x, edges, index[..., :-1], train)
        x = batch_norm(train, name="expand_norm")(linear(self.features, name="expand")(x))
        if shortcut.shape[-1] != self.features:
            shortcut = linear(self.features, name="shortcut")(shortcut)
            shortcut = batch_norm(train, name="shortcut_norm")(shortcut)
        return leaky_relu(x + shortcut)


class CurveNet(nn.Module):
    """The curve-based encoder of Fig. 2: a frame's points to their features, [M, N, 3] -> [M, N, last block's width].

    Attributes:
        entry: width after the first aggregation.
        blocks: (features, bottleneck) of each CIC.
        curves: how many curves are walked, from as many starts.
        steps: points in a curve.
        dropout: rate after the last layer.
        variant: "paper" or "authors" (how the walk weighs its momentum, see `curves`).
        dtype: precision to compute in; None: that of the points.
    """

    entry: int
    blocks: tuple[tuple[int, int], ...]
    curves: int
    steps: int
    dropout: float
    variant: str
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, points: Array, index: Array, train: bool) -> Array:
        # Differences first, the cast after: neighbours lie closer together than bfloat16 can tell apart.
        around = edges(points, index[..., :-1]).astype(self.dtype or points.dtype)
        x = Entry(self.entry, name="entry")(around, train)
        for number, (features, bottleneck) in enumerate(self.blocks):
            block = CIC(features, bottleneck, self.curves, self.steps, self.variant, name=f"cic_{number}")
            x = block(x, around, index, train)
        x = batch_norm(train, name="exit_norm")(linear(x.shape[-1], name="exit")(x))
        return nn.Dropout(self.dropout)(nn.relu(x), deterministic=not train)

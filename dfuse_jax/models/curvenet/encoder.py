"""Point encoder: CurveNet on the landmarks of one frame, as MeshSmileNet [24] uses it (478 points, no subsampling).

CurveNet: T. Xiang et al., "Walk in the Cloud: Learning Curves for Point Clouds Shape Analysis", ICCV 2021. CIC is its
curve intervention convolution. M counts frames, N points, K neighbours.
"""

import flax.linen as nn
from jax import Array
from jax.typing import DTypeLike

from dfuse_jax.models import cloud as clouds
from dfuse_jax.models.cloud import Cloud, map_frames, moments_of
from dfuse_jax.models.curvenet.curves import CurveAggregation, CurveGrouping
from dfuse_jax.models.curvenet.lpfa import LPFA, Entry
from dfuse_jax.models.layers import Dropout, leaky_relu
from dfuse_jax.models.norms import normed_linear


class CIC(nn.Module):
    """CurveNet's curve intervention convolution: x [M, N, in] -> [M, N, out], at width in / bottleneck inside."""

    features: int
    bottleneck: int
    curves: int
    steps: int
    variant: str
    at_once: int | None

    @nn.compact
    def __call__(self, x: Array, cloud: Cloud, train: bool) -> Array:
        of_x = moments_of(x, self.at_once)
        reduce = normed_linear(x.shape[-1] // self.bottleneck, x, of_x, train, "reduce")
        y = map_frames(lambda x: leaky_relu(reduce(x)), self.at_once, x)
        grouping = CurveGrouping(self.curves, self.steps, self.variant, self.at_once, name="grouping")
        curves = grouping(y, cloud.neighbours[..., 1:], train)
        y = CurveAggregation(self.at_once, name="aggregation")(y, curves, train)
        y = LPFA(self.at_once, name="lpfa")(y, cloud, train)
        expand = normed_linear(self.features, y, moments_of(y, self.at_once), train, "expand")
        shortcut = lambda x: x  # noqa: E731
        if x.shape[-1] != self.features:
            shortcut = normed_linear(self.features, x, of_x, train, "shortcut")
        return map_frames(lambda x, y: leaky_relu(expand(y) + shortcut(x)), self.at_once, x, y)


class CurveNet(nn.Module):
    """The curve-based encoder of Fig. 2: a frame's points to their features, [M, N, 3] -> [M, N, last block's width].

    Attributes:
        entry: width after the first aggregation.
        blocks: (features, bottleneck) of each CIC.
        curves: how many curves are walked, from as many starts.
        steps: points in a curve.
        dropout: rate after the last layer.
        variant: "paper" or "authors" (how the walk weighs its momentum, see `curves`).
        at_once: frames between whose neighbours is computed at once; None: all.
        dtype: precision to compute in; None: that of the points.
    """

    entry: int
    blocks: tuple[tuple[int, int], ...]
    curves: int
    steps: int
    dropout: float
    variant: str
    at_once: int | None = None
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, points: Array, neighbours: Array, train: bool) -> Array:
        cloud = clouds.cloud(points, neighbours, self.at_once)
        x = Entry(self.entry, self.at_once, self.dtype, name="entry")(cloud, train)
        for number, (features, bottleneck) in enumerate(self.blocks):
            sizes = (features, bottleneck, self.curves, self.steps, self.variant, self.at_once)
            x = CIC(*sizes, name=f"cic_{number}")(x, cloud, train)
        leave = normed_linear(x.shape[-1], x, moments_of(x, self.at_once), train, "exit")
        return Dropout(self.dropout)(map_frames(lambda x: nn.relu(leave(x)), self.at_once, x), train)

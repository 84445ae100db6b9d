"""Point encoder: CurveNet on the landmarks of one frame, as MeshSmileNet [24] uses it (478 points, no subsampling).

CurveNet: T. Xiang et al., "Walk in the Cloud: Learning Curves for Point Clouds Shape Analysis", ICCV 2021.
"""

import functools

import flax.linen as nn
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int

from dfuse_jax.models.cloud import Cloud, Incoming, edge_moments, feature_moments, list_incoming
from dfuse_jax.models.curvenet.curves import CurveAggregation, CurveGrouping
from dfuse_jax.models.curvenet.lpfa import LPFA, Entry
from dfuse_jax.models.curvenet.maps import normalised_maps
from dfuse_jax.models.layers import Dropout, Kernel
from dfuse_jax.models.norms import BatchNorm


class CIC(nn.Module):
    """CurveNet's curve intervention convolution: a bottleneck in which points aggregate curves, then their neighbours.

    Attributes:
        features: width of the output.
        bottleneck: divides the input's width; the result is the width inside.
        curves: curves walked.
        steps: points in a curve.
        variant: "paper" or "authors", see `curves.momentum_weights`.
        frames_at_once: see `map_frames`.
        kernels: "plain" or "fused".
    """

    features: int
    bottleneck: int
    curves: int
    steps: int
    variant: str
    frames_at_once: int | None
    kernels: str

    @nn.compact
    def __call__(
        self, x: Float[Array, "frames points inputs"], cloud: Cloud, train: bool
    ) -> Float[Array, "frames points features"]:
        """Returns the points' new features."""
        width, frames_at_once = x.shape[-1], self.frames_at_once
        moments = feature_moments(x, frames_at_once=frames_at_once) if train else None
        kernel = Kernel(width // self.bottleneck, name="reduce")(width)
        activate = functools.partial(normalised_maps, kernels=self.kernels, frames_at_once=frames_at_once)
        y = activate((x,), (kernel,), (BatchNorm(name="reduce_norm"),), (moments,))

        grouping = CurveGrouping(
            curves=self.curves,
            steps=self.steps,
            variant=self.variant,
            frames_at_once=frames_at_once,
            kernels=self.kernels,
            name="grouping",
        )
        curves = grouping(y, cloud.neighbours[..., 1:], train)
        y = CurveAggregation(frames_at_once=frames_at_once, kernels=self.kernels, name="aggregation")(y, curves, train)
        y = LPFA(frames_at_once=frames_at_once, kernels=self.kernels, name="lpfa")(y, cloud, train)

        y_moments = feature_moments(y, frames_at_once=frames_at_once) if train else None
        expand, expand_norm = Kernel(self.features, name="expand")(y.shape[-1]), BatchNorm(name="expand_norm")
        if width == self.features:
            return activate((y,), (expand,), (expand_norm,), (y_moments,), residual=x)
        shortcut, shortcut_norm = Kernel(self.features, name="shortcut")(width), BatchNorm(name="shortcut_norm")
        return activate((y, x), (expand, shortcut), (expand_norm, shortcut_norm), (y_moments, moments))


class CurveNet(nn.Module):
    """The curve-based encoder of Fig. 2: from the points of a frame to their features, as wide as the last block.

    Attributes:
        entry: width after the first aggregation.
        blocks: (features, bottleneck) of each CIC.
        curves: curves walked in a block, from as many start points.
        steps: points in a curve.
        dropout: rate after the last layer.
        variant: "paper" or "authors", see `curves.momentum_weights`.
        frames_at_once: see `map_frames`.
        kernels: "plain" or "fused".
        dtype: precision to compute in; None: that of the points.
    """

    entry: int
    blocks: tuple[tuple[int, int], ...]
    curves: int
    steps: int
    dropout: float | Float[Array, ""]
    variant: str
    frames_at_once: int | None = None
    kernels: str = "plain"
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(
        self,
        points: Float[Array, "frames points 3"],
        neighbours: Int[Array, "frames points neighbours+1"],
        train: bool,
        incoming: Incoming | None = None,
    ) -> Float[Array, "frames points width"]:
        """Returns the points' features.

        Args:
            points: of every frame.
            neighbours: of every point, itself first.
            train: whether batch statistics are taken.
            incoming: what `list_incoming` gives for all neighbours but the last, if it is known already.
        """
        frames_at_once = self.frames_at_once
        moments = edge_moments(points, neighbours[..., :-1], frames_at_once=frames_at_once) if train else None
        if incoming is None and self.kernels == "fused":
            incoming = list_incoming(neighbours[..., :-1])
        cloud = Cloud(points, neighbours, moments, incoming)
        entry = Entry(
            width=self.entry, frames_at_once=frames_at_once, kernels=self.kernels, dtype=self.dtype, name="entry"
        )
        x = entry(cloud, train)
        for number, (features, bottleneck) in enumerate(self.blocks):
            block = CIC(
                features=features,
                bottleneck=bottleneck,
                curves=self.curves,
                steps=self.steps,
                variant=self.variant,
                frames_at_once=frames_at_once,
                kernels=self.kernels,
                name=f"cic_{number}",
            )
            x = block(x, cloud, train)
        moments = feature_moments(x, frames_at_once=frames_at_once) if train else None
        kernel = Kernel(x.shape[-1], name="exit")(x.shape[-1])
        return normalised_maps(
            (x,),
            (kernel,),
            (BatchNorm(name="exit_norm"),),
            (moments,),
            slope=0.0,
            kernels=self.kernels,
            frames_at_once=frames_at_once,
            dropped=Dropout(self.dropout).draw(train),
        )

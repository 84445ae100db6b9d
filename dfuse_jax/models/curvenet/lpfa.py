"""Local point feature aggregation (LPFA) of CurveNet: what a point takes from its neighbours.

T. Xiang et al., "Walk in the Cloud: Learning Curves for Point Clouds Shape Analysis", ICCV 2021. M counts frames, N
points, K neighbours. As the text has it, every edge (i, j) takes [p_i, p_j, p_j - p_i] through a linear map and a batch
norm. Here no edge meets that map, for it is a sum of a part of the point and a part of its neighbour:
    [p_i, p_j, p_j - p_i] W = p_i (W_1 + W_2) + (p_j - p_i) (W_2 + W_3) = p_i (W_1 - W_3) + p_j (W_2 + W_3).
"""

from typing import cast

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from dfuse_jax.models.cloud import Cloud, Incoming, gather, map_frames, row_moments
from dfuse_jax.models.layers import Kernel, at_least_float32, expand, leaky_relu, precise_matmul
from dfuse_jax.models.norms import BatchNorm


class Entry(nn.Module):
    """The first LPFA, which has no features yet: the maximum over neighbours of a map of the edges' positions.

    Attributes:
        width: of the output.
        frames_at_once: see `map_frames`.
        kernels: "plain" or "fused".
        dtype: precision of the output; None: that of the points.
    """

    width: int
    frames_at_once: int | None
    kernels: str
    dtype: DTypeLike | None

    @nn.compact
    def __call__(self, cloud: Cloud, train: bool) -> Float[Array, "frames points width"]:
        """Returns the points' first features."""
        kernel = Kernel(self.width, name="mlp")(9)
        neighbour_part, point_part = _position_parts(cloud, kernel, BatchNorm(name="mlp_norm"))

        def maximum(neighbour_part, neighbours):
            return jnp.max(gather(neighbour_part, neighbours), axis=-2)

        # LReLU grows, and the point's own part is the same for all its neighbours: the maximum can go first.
        if self.kernels == "fused":
            from dfuse_jax.models.kernels import entry  # imports Pallas, which the plain version does not need

            largest = entry.largest(neighbour_part, cloud.neighbours, cast(Incoming, cloud.incoming))
        else:
            neighbours = cloud.neighbours[..., :-1]
            largest = map_frames(maximum, neighbour_part, neighbours, frames_at_once=self.frames_at_once)
        return leaky_relu(largest + point_part).astype(self.dtype or point_part.dtype)


class LPFA(nn.Module):
    """The mean over neighbours of a map of x_j - x_i and the edge's positions.

    Attributes:
        frames_at_once: see `map_frames`.
        kernels: "plain" or "fused".
    """

    frames_at_once: int | None
    kernels: str

    @nn.compact
    def __call__(
        self, x: Float[Array, "frames points width"], cloud: Cloud, train: bool
    ) -> Float[Array, "frames points width"]:
        """Returns the points' new features."""
        width = x.shape[-1]
        kernel = Kernel(width, name="position")(9)
        neighbour_part, point_part = _position_parts(cloud, kernel, BatchNorm(name="position_norm"))

        def edges(neighbour_part, point_part, neighbours):
            # The sum in full precision: points lie closer together than bfloat16 can tell apart.
            return leaky_relu(gather(neighbour_part, neighbours) + point_part[:, :, None]).astype(x.dtype)

        parts = (at_least_float32(x) + neighbour_part, point_part - at_least_float32(x), cloud.neighbours[..., :-1])
        kernel, norm = Kernel(width, name="mlp")(width), BatchNorm(name="mlp_norm")
        if self.kernels == "fused":
            from dfuse_jax.models.kernels import lpfa  # imports Pallas, which the plain version does not need

            whole = lpfa.Edges(parts[0], parts[1], cloud.neighbours, cast(Incoming, cloud.incoming))
            y, state = lpfa.aggregate(whole, kernel, norm.state(width), dtype=x.dtype, train=train)
            if train:
                norm.store(state)
            return y
        moments = row_moments(edges, *parts, frames_at_once=self.frames_at_once) if train else None
        mlp = norm.fold(kernel, moments).astype(x.dtype)

        def aggregate(*parts):
            return jnp.mean(leaky_relu(mlp(edges(*parts))), axis=-2)

        return map_frames(aggregate, *parts, frames_at_once=self.frames_at_once)


def _position_parts(cloud: Cloud, kernel: Float[Array, "9 width"], norm: BatchNorm) -> tuple[Array, Array]:
    """Returns the normed map of the edges' positions as a neighbour's part and a point's own, [M, N, width] each."""
    first, second, third = at_least_float32(kernel).reshape(3, 3, -1)
    affine = norm.fold(jnp.concatenate([first + second, second + third]), cloud.edge_moments)
    point_kernel, difference_kernel = affine.kernel.reshape(2, 3, -1)
    neighbour_part = precise_matmul(cloud.points, difference_kernel)
    point_part = precise_matmul(cloud.points, point_kernel - difference_kernel)
    return neighbour_part, point_part + expand(affine.shift, point_part.ndim)

"""Local point feature aggregation (LPFA) of CurveNet: what a point takes from its neighbours.

T. Xiang et al., "Walk in the Cloud: Learning Curves for Point Clouds Shape Analysis", ICCV 2021. M counts frames, N
points, K neighbours. As the text has it, every edge (i, j) takes [p_i, p_j, p_j - p_i] through a linear map and a batch
norm. Here no edge meets that map, for it is a sum of a part of the point and a part of its neighbour:
    [p_i, p_j, p_j - p_i] W = p_i (W_1 + W_2) + (p_j - p_i) (W_2 + W_3) = p_i (W_1 - W_3) + p_j (W_2 + W_3).
"""

import flax.linen as nn
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from dfuse_jax.models.cloud import Cloud, gather, map_frames, row_moments
from dfuse_jax.models.layers import Kernel, exactly, full, leaky_relu
from dfuse_jax.models.norms import BatchNorm, normed_linear


def _positions(cloud: Cloud, kernel: Array, norm: BatchNorm) -> tuple[Array, Array]:
    """The normed map of the edges' positions, as the neighbour's part and the point's own, [M, N, c] each."""
    first, second, third = full(kernel).reshape(3, 3, -1)
    kernel, shift = norm.of_linear(jnp.concatenate([first + second, second + third]), lambda: cloud.edges)
    here, ahead = kernel.reshape(2, 3, -1)
    return exactly(cloud.points, ahead), exactly(cloud.points, here - ahead) + shift


class Entry(nn.Module):
    """The first LPFA, which has no features yet: a cloud -> [M, N, width], the maximum over neighbours."""

    width: int
    at_once: int | None
    dtype: DTypeLike | None

    @nn.compact
    def __call__(self, cloud: Cloud, train: bool) -> Array:
        kernel, norm = Kernel(self.width, name="mlp")(9), BatchNorm(train, name="mlp_norm")
        of_neighbour, of_point = _positions(cloud, kernel, norm)
        # LReLU grows, and the point's own part is the same for all its neighbours: the maximum can go first.
        largest = map_frames(
            lambda x, index: jnp.max(gather(x, index), axis=-2), self.at_once, of_neighbour, cloud.neighbours[..., :-1]
        )
        return leaky_relu(largest + of_point).astype(self.dtype or of_point.dtype)


class LPFA(nn.Module):
    """x [M, N, c] -> [M, N, c], the mean over neighbours of a map of x_j - x_i and the edge's positions."""

    at_once: int | None

    @nn.compact
    def __call__(self, x: Array, cloud: Cloud, train: bool) -> Array:
        kernel, norm = Kernel(x.shape[-1], name="position")(9), BatchNorm(train, name="position_norm")
        of_neighbour, of_point = _positions(cloud, kernel, norm)

        def edges(of_neighbour, of_point, index):
            # The sum in full precision: points lie closer together than bfloat16 can tell apart.
            return leaky_relu(gather(of_neighbour, index) + of_point[:, :, None]).astype(x.dtype)

        parts = full(x) + of_neighbour, of_point - full(x), cloud.neighbours[..., :-1]
        mlp = normed_linear(x.shape[-1], x, lambda: row_moments(edges, self.at_once, *parts), train, "mlp")
        return map_frames(lambda *parts: jnp.mean(leaky_relu(mlp(edges(*parts))), axis=-2), self.at_once, *parts)

"""Point clouds: the landmarks of frames, every point's neighbours, and computation of a few frames at a time.

M counts frames, N points, K neighbours. What lies between points and their neighbours has M N K rows. To write and read
that takes longer than to compute it, so it is computed a few frames at a time, which the cache holds, and once more in
the backward pass.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from dfuse_jax.models.layers import at_least_float32, expand
from dfuse_jax.models.norms import Moments, moments_from_sums


class Incoming(NamedTuple):
    """The edges from points to their K neighbours, listed by neighbour.

    Attributes:
        sources: the point of every edge; those of the edges that lead to point j are sources[first[j] : first[j + 1]].
        first: of every point, and in the end the number of edges, N K.
    """

    sources: Int[Array, "frames edges"]
    first: Int[Array, "frames points+1"]


class Cloud(NamedTuple):
    """The points of all frames.

    Attributes:
        points: their coordinates.
        neighbours: the K + 1 nearest points of every point, itself first.
        edge_moments: what `edge_moments` gives for the first K of them, in training; None in evaluation.
        incoming: what `list_incoming` gives for the first K of them; None where no fused kernel needs it.
    """

    points: Float[Array, "frames points 3"]
    neighbours: Int[Array, "frames points neighbours+1"]
    edge_moments: Moments | None
    incoming: Incoming | None = None


def nearest(points: Float[Array, "*batch points 3"], k: int) -> Int[Array, "*batch points k"]:
    """Returns the k nearest points of every point, itself first, without a gradient."""
    points = lax.stop_gradient(points)
    # Differences, not |a|^2 + |b|^2 - 2ab: a point's distance to itself is then exactly 0, also in float32.
    squares = [jnp.square(points[..., :, None, i] - points[..., None, :, i]) for i in range(3)]
    return lax.top_k(-(squares[0] + squares[1] + squares[2]), k)[1]


def list_incoming(neighbours: Int[Array, "frames points neighbours"]) -> Incoming:
    """Returns the edges by neighbour, those to one neighbour in the order of their points."""
    frames, points, count = neighbours.shape
    targets = neighbours.reshape(frames, points * count)
    order = jnp.argsort(targets, axis=-1, stable=True)
    targets = jnp.take_along_axis(targets, order, axis=-1)
    first = jax.vmap(lambda targets: jnp.searchsorted(targets, jnp.arange(points + 1, dtype=targets.dtype)))(targets)
    return Incoming((order // count).astype(neighbours.dtype), first.astype(jnp.int32))


def gather(x: Array, index: Int[Array, "frames ..."]) -> Array:
    """Returns rows of every frame's x: x [M, N, ...], index [M, *shape] -> [M, *shape, ...]."""
    return jax.vmap(lambda rows, i: rows[i])(x, index)


def map_frames(function: Callable, *arrays: Array, frames_at_once: int | None) -> Any:
    """Applies a function to all frames, a few at a time; the backward pass computes it once more.

    Args:
        function: takes arrays [m, ...] and returns arrays [m, ...] of any m frames.
        arrays: its arguments, [M, ...] each.
        frames_at_once: the most frames of a call; None: all.

    Returns:
        function(*arrays).
    """
    chunks = _map_chunks(function, arrays, frames_at_once)
    return jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), chunks)


def row_moments(function: Callable[..., Array], *arrays: Array, frames_at_once: int | None) -> Moments:
    """Returns the moments of all rows of function(*arrays) [M, ..., width], which is computed as by `map_frames`."""
    shape = jax.eval_shape(function, *arrays).shape

    def sums(*arrays):
        return _sums(function(*arrays).reshape(-1, shape[-1]))

    total, squares = (jnp.sum(a, axis=0) for a in _map_chunks(sums, arrays, frames_at_once))
    return moments_from_sums(total, squares, math.prod(shape[:-1]))


@jax.custom_vjp
def _sums(rows: Array) -> tuple[Array, Array]:
    """Returns the sum of all rows x [n, width], and of x x^T, at least in float32.

    It has its own gradient, one product: JAX's are two, as it does not know that x x^T is symmetric.
    """
    precision = at_least_float32(rows[:0]).dtype
    squares = jnp.matmul(rows.T, rows, preferred_element_type=precision, precision=lax.Precision.HIGHEST)
    return jnp.sum(rows, axis=0, dtype=precision), squares


def _sums_forward(rows: Array) -> tuple[tuple[Array, Array], Array]:
    return _sums(rows), rows


def _sums_backward(rows: Array, gradients: tuple[Array, Array]) -> tuple[Array]:
    total, squares = gradients
    product = jnp.matmul(rows, (squares + squares.T).astype(rows.dtype), precision=lax.Precision.HIGHEST)
    return (product + total.astype(rows.dtype)[None],)


_sums.defvjp(_sums_forward, _sums_backward)


def feature_moments(x: Float[Array, "frames ... width"], *, frames_at_once: int | None) -> Moments:
    """Returns the moments of all rows of x."""
    return row_moments(lambda x: x, x, frames_at_once=frames_at_once)


@jax.named_scope("edge_moments")
def edge_moments(
    points: Float[Array, "frames points 3"],
    neighbours: Int[Array, "frames points neighbours"],
    *,
    frames_at_once: int | None,
) -> Moments:
    """Returns the moments of (p_i, p_j - p_i) over all frames, points i and their neighbours j: of 6 features."""
    centre = jnp.mean(points, axis=(0, 1))

    def edges(points, neighbours):
        difference = gather(points, neighbours) - points[:, :, None]
        centred = jnp.broadcast_to((points - expand(centre, 3))[:, :, None], difference.shape)
        return jnp.concatenate([centred, difference], axis=-1)

    mean, covariance = row_moments(edges, points, neighbours, frames_at_once=frames_at_once)
    return Moments(mean.at[:3].add(centre), covariance)


def _map_chunks(function: Callable, arrays: tuple[Array, ...], frames_at_once: int | None) -> Any:
    """Returns what the function gives for each chunk of frames, stacked; the backward pass keeps nothing of it."""
    frames = len(arrays[0])
    size = max(n for n in range(1, min(frames_at_once or frames, frames) + 1) if frames % n == 0)
    if size == frames:
        return jax.tree.map(lambda a: a[None], jax.checkpoint(function)(*arrays))
    chunks = [a.reshape(-1, size, *a.shape[1:]) for a in arrays]
    return lax.map(lambda chunk: jax.checkpoint(function, prevent_cse=False)(*chunk), chunks)

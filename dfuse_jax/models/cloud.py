"""Point clouds: the landmarks of frames, each point's neighbours, and how many frames are computed at once.

M counts frames, N points, K neighbours. What lies between points and their neighbours has M N K rows. To write and read
that takes longer than to compute it, so it is computed a few frames at a time, which the cache holds, and once more in
the backward pass.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from dfuse_jax.models.layers import full
from dfuse_jax.models.norms import Moments, moments


class Cloud(NamedTuple):
    """The points of all frames.

    Attributes:
        points: [M, N, 3].
        neighbours: [M, N, K + 1], the nearest points of every point, itself first.
        edges: moments of (p_i, p_j - p_i), [6], over all frames, points and their first K neighbours.
    """

    points: Array
    neighbours: Array
    edges: Moments


def nearest(points: Array, k: int) -> Array:
    """The k nearest points of every point, itself first: [..., N, 3] -> [..., N, k] indices, without a gradient."""
    points = lax.stop_gradient(points)
    # Differences, not |a|^2 + |b|^2 - 2ab: a point's distance to itself is then exactly 0, also in float32.
    distance = sum(jnp.square(points[..., :, None, i] - points[..., None, :, i]) for i in range(3))
    return lax.top_k(-distance, k)[1]


def gather(x: Array, index: Array) -> Array:
    """Rows of each frame's x [M, N, ...] by index [M, ...]."""
    return jax.vmap(lambda rows, i: rows[i])(x, index)


def _chunks(f: Callable, at_once: int | None, arrays: tuple[Array, ...]):
    """What f gives for each chunk of at most `at_once` frames, stacked; nothing of it is kept for the backward pass."""
    frames = len(arrays[0])
    size = max(n for n in range(1, min(at_once or frames, frames) + 1) if frames % n == 0)
    if size == frames:
        return jax.tree.map(lambda a: a[None], jax.checkpoint(f)(*arrays))
    chunks = [a.reshape(-1, size, *a.shape[1:]) for a in arrays]
    return lax.map(lambda chunk: jax.checkpoint(f, prevent_cse=False)(*chunk), chunks)


def map_frames(f: Callable, at_once: int | None, *arrays: Array):
    """f(*arrays), from arrays [M, ...] to arrays [M, ...], at most `at_once` frames at a time (None: all)."""
    return jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), _chunks(f, at_once, arrays))


def row_moments(f: Callable, at_once: int | None, *arrays: Array) -> Moments:
    """Moments of all rows of f(*arrays), from arrays [M, ...] to [M, ..., c], computed in the way of `map_frames`."""
    shape = jax.eval_shape(f, *arrays).shape

    def sums(*arrays):
        rows = f(*arrays).reshape(-1, shape[-1])
        precise = full(rows).dtype
        squares = jnp.matmul(rows.T, rows, preferred_element_type=precise, precision=lax.Precision.HIGHEST)
        return jnp.sum(rows, axis=0, dtype=precise), squares

    total, squares = (jnp.sum(a, axis=0) for a in _chunks(sums, at_once, arrays))
    return moments(total, squares, math.prod(shape[:-1]))


def moments_of(x: Array, at_once: int | None) -> Callable[[], Moments]:
    """Gives, once it is asked, the moments of x [M, ..., c] itself."""
    return functools.cache(lambda: row_moments(lambda x: x, at_once, x))


def cloud(points: Array, neighbours: Array, at_once: int | None) -> Cloud:
    """The cloud of points [M, N, 3] and their neighbours [M, N, K + 1]."""
    centre = jnp.mean(points, axis=(0, 1))

    def edges(points, index):
        ahead = gather(points, index) - points[:, :, None]
        here = jnp.broadcast_to((points - centre)[:, :, None], ahead.shape)
        return jnp.concatenate([here, ahead], axis=-1)

    mean, covariance = row_moments(edges, at_once, points, neighbours[..., :-1])
    return Cloud(points, neighbours, Moments(mean.at[:3].add(centre), covariance))

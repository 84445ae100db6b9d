"""Completed local binary patterns on three orthogonal planes, CLBP-TOP.

Z. Guo, L. Zhang, D. Zhang, IEEE Trans. Image Processing 2010; T. Pfister, X. Li, G. Zhao, M. Pietikainen, ICCV
workshops 2011. A plane's pattern at a position compares its 8 neighbours on an ellipse with it. Neighbour q lies at the
angle 2 pi q / 8, counter-clockwise from the right, and is bilinearly interpolated. With d_q = neighbour - centre, S is
made of the signs of d_q, and M of whether |d_q| reaches its mean over the plane in the whole volume. The direction of
the circle and the order of blocks and planes are our choice.
"""

import functools
import itertools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Num

NEIGHBOURS = 8
CODES = 2**NEIGHBOURS
PLANES = ((2, 1), (2, 0), (1, 0))  # axes of a volume [t, y, x]: XY, XT, YT
PATTERNS = ("uniform", "all")


def uniform_codes() -> Int[np.ndarray, "256"]:
    """Returns for every code its bin: those of at most 2 changes of bit around the circle in order, then all others."""
    codes = np.arange(CODES)
    rotated = (codes >> 1) | ((codes & 1) << (NEIGHBOURS - 1))
    uniform = np.bitwise_count(codes ^ rotated) <= 2
    bins = np.full(CODES, uniform.sum())
    bins[uniform] = np.arange(uniform.sum())
    return bins


@functools.partial(jax.jit, static_argnames=("radii", "blocks", "patterns", "joint_c", "normalise"))
def clbp_top(
    volume: Num[Array | np.ndarray, "frames height width"],
    *,
    radii: tuple[int, int, int] = (1, 1, 1),
    blocks: tuple[int, int, int] = (8, 8, 1),
    patterns: str = "uniform",
    joint_c: bool = False,
    normalise: bool = True,
) -> Float[Array, "blocks 3 bins"]:
    """Returns the histograms of patterns of a grey video.

    Args:
        volume: the video.
        radii: R_X, R_Y, R_T. Positions whose ellipse leaves the volume are skipped.
        blocks: into how many parts x, y and t are cut; what remains goes to the last part.
        patterns: "uniform": 59 bins for S and as many for M; "all": 256 each.
        joint_c: S is told apart by whether the centre reaches the mean of the volume, which doubles its bins.
        normalise: each histogram to a sum of 1; otherwise they are counts.

    Returns:
        Histograms of S, then of M, for each block (x fastest, then y, then t) and plane (XY, XT, YT). A block without
        positions has zeros.

    Raises:
        ValueError: the volume is smaller than an ellipse or has fewer pixels than blocks, or `patterns` is unknown.
    """
    _check(volume.shape, radii, blocks, patterns)
    volume = jnp.asarray(volume, float)
    bins = uniform_codes() if patterns == "uniform" else np.arange(CODES)
    count = int(bins.max()) + 1
    bright = volume >= volume.mean()
    histograms = []
    for plane in PLANES:
        sign, magnitude = _codes(volume, plane, radii)
        inside = _inside(volume.shape, plane, radii)
        block = _block_numbers(volume.shape, blocks)[inside]
        sign_bin, magnitude_bin = jnp.asarray(bins)[sign], jnp.asarray(bins)[magnitude]
        if joint_c:
            sign_bin += count * bright[inside]
        number = int(np.prod(blocks))
        of_sign = _histogram(block, sign_bin, (number, count * (2 if joint_c else 1)), normalise)
        of_magnitude = _histogram(block, magnitude_bin, (number, count), normalise)
        histograms.append(jnp.concatenate([of_sign, of_magnitude], axis=1))
    return jnp.stack(histograms, axis=1)


def _codes(
    volume: Float[Array, "frames height width"], plane: tuple[int, int], radii: tuple[int, int, int]
) -> tuple[Int[Array, "t y x"], Int[Array, "t y x"]]:
    """Returns the codes S and M of the positions whose ellipse is inside."""
    right, up = plane
    radius = radii[::-1]  # of t, y and x
    inside = _inside(volume.shape, plane, radii)
    centre = volume[inside]
    differences = []
    for q in range(NEIGHBOURS):
        angle = 2 * np.pi * q / NEIGHBOURS
        offset = {right: radius[right] * np.cos(angle), up: -radius[up] * np.sin(angle)}
        differences.append(_difference(volume, centre, inside, offset))
    stacked = jnp.stack(differences)
    magnitudes = jnp.abs(stacked)
    bits = jnp.asarray(2 ** np.arange(NEIGHBOURS), jnp.int32)
    sign = jnp.tensordot(bits, (stacked >= 0).astype(jnp.int32), 1)
    return sign, jnp.tensordot(bits, (magnitudes >= magnitudes.mean()).astype(jnp.int32), 1)


def _difference(
    volume: Float[Array, "frames height width"],
    centre: Float[Array, "t y x"],
    inside: tuple[slice, ...],
    offset: dict[int, float],
) -> Float[Array, "t y x"]:
    """Returns a neighbour less its centre. Differences are interpolated, not values: where all is flat they are 0."""
    sides = []
    for axis, distance in offset.items():
        distance = round(distance, 9)  # 1.0 times a cosine of pi / 2 is no more than a rounding error off the grid
        low = int(np.floor(distance))
        share = distance - low
        sides.append([(axis, low, 1 - share), (axis, low + 1, share)] if share else [(axis, low, 1.0)])
    total = jnp.zeros_like(centre)
    for corner in itertools.product(*sides):
        place = list(inside)
        weight = 1.0
        for axis, step, share in corner:
            place[axis] = slice(inside[axis].start + step, inside[axis].stop + step)
            weight *= share
        total += weight * (volume[tuple(place)] - centre)
    return total


def _inside(shape: Sequence[int], plane: tuple[int, int], radii: tuple[int, int, int]) -> tuple[slice, ...]:
    margin = [0, 0, 0]
    for axis in plane:
        margin[axis] = radii[2 - axis]
    return tuple(slice(edge, size - edge) for edge, size in zip(margin, shape, strict=True))


def _block_numbers(shape: Sequence[int], blocks: tuple[int, int, int]) -> Int[np.ndarray, "frames height width"]:
    t, y, x = (
        np.minimum(np.arange(size) // (size // parts), parts - 1)
        for size, parts in zip(shape, blocks[::-1], strict=True)
    )
    return (t[:, None, None] * blocks[1] + y[:, None]) * blocks[0] + x


def _histogram(
    block: Int[np.ndarray, "t y x"], bins: Int[Array, "t y x"], shape: tuple[int, int], normalise: bool
) -> Float[Array, "blocks bins"]:
    number = (jnp.asarray(block) * shape[1] + bins).reshape(-1)
    counts = jax.ops.segment_sum(jnp.ones(number.size, jnp.result_type(float)), number, shape[0] * shape[1])
    counts = counts.reshape(shape)
    return counts / jnp.maximum(counts.sum(axis=1, keepdims=True), 1) if normalise else counts


def _check(shape: Sequence[int], radii: Sequence[int], blocks: Sequence[int], patterns: str) -> None:
    if patterns not in PATTERNS:
        raise ValueError(f"unknown patterns {patterns!r}; known: {', '.join(PATTERNS)}.")
    if len(shape) != 3:
        raise ValueError(f"the volume has shape {tuple(shape)}, expected [frames, height, width]: grey pictures.")
    for axis, noun in enumerate(("frames", "rows", "columns")):
        radius, parts = radii[2 - axis], blocks[2 - axis]
        if shape[axis] < max(2 * radius + 1, parts):
            raise ValueError(
                f"the volume has {shape[axis]} {noun}; a radius of {radius} and {parts} blocks need "
                f"{max(2 * radius + 1, parts)} at least."
            )

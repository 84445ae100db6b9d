"""4253H, twice: the running-median smoother for signals that jitter (Velleman 1980).

Running medians of 4, 2, 5 and 3 frames, then Hanning (weights 1/4, 1/2, 1/4). "Twice" is Tukey's twicing: what the
first pass leaves is smoothed the same way and added back (so do NAG's g10cac and SPSS's T4253H); the smooth is not
smoothed again. Ends: a median that would reach beyond the ends shortens to the widest span of its kind that fits, and
the two end values themselves are copied, by Hanning too; Tukey's end-value rule (the E of "4253EH") is not applied.

P. F. Velleman, "Definition and comparison of robust nonlinear data smoothing algorithms", JASA 75 (1980) 609-615.
P. F. Velleman and D. C. Hoaglin, "Applications, Basics, and Computing of Exploratory Data Analysis" (1981), ch. 6.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax.numpy as jnp
from jax import Array, lax

if TYPE_CHECKING:
    from jax.typing import ArrayLike
    from jaxtyping import Float


def smooth_4253h_twice(x: Float[Array, "... frames"], length: ArrayLike) -> Float[Array, "... frames"]:
    """Computes 4253H of x, plus 4253H of what it left, over the first `length` values of the last axis."""
    smooth = smooth_4253h(x, length)
    return smooth + smooth_4253h(x - smooth, length)


def smooth_4253h(x: Float[Array, "... frames"], length: ArrayLike) -> Float[Array, "... frames"]:
    """Computes 4253H, once, over the first `length` values of the last axis; the others come back as they are."""
    t = lax.broadcasted_iota(int, x.shape, x.ndim - 1)
    reach = jnp.minimum(t, length - 1 - t)  # the number of neighbours on both sides
    # 4: medians between t - 1 and t (of two values at the ends); 2: their means bring them back onto the frames.
    before, now = _windows(x, before=1, after=0)
    four = _median4(*_windows(x, before=2, after=1))
    half = jnp.where(jnp.minimum(t - 1, length - 1 - t) >= 1, four, (before + now) / 2)
    early, late = _windows(half, before=0, after=1)
    x = jnp.where(reach >= 1, (early + late) / 2, x)
    five, three = _median5(*_windows(x, before=2, after=2)), _median3(*_windows(x, before=1, after=1))
    x = jnp.where(reach >= 2, five, jnp.where(reach >= 1, three, x))
    x = jnp.where(reach >= 1, _median3(*_windows(x, before=1, after=1)), x)
    before, now, after = _windows(x, before=1, after=1)
    # Means of two round nothing off where all are equal: a plateau that the medians made stays level.
    return jnp.where(reach >= 1, ((before + after) / 2 + now) / 2, x)


def _windows(x: Array, *, before: int, after: int) -> list[Array]:
    """Returns x[t - before], ..., x[t + after] for every t; beyond the array the end value, which is never used."""
    padded = jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(before, after)], mode="edge")
    return [padded[..., k : k + x.shape[-1]] for k in range(before + after + 1)]


def _sort(a: Array, b: Array) -> tuple[Array, Array]:
    return jnp.minimum(a, b), jnp.maximum(a, b)


def _median3(a: Array, b: Array, c: Array) -> Array:
    low, high = _sort(a, b)
    return jnp.maximum(low, jnp.minimum(high, c))


def _median4(a: Array, b: Array, c: Array, d: Array) -> Array:
    (low_ab, high_ab), (low_cd, high_cd) = _sort(a, b), _sort(c, d)
    return (jnp.maximum(low_ab, low_cd) + jnp.minimum(high_ab, high_cd)) / 2


def _median5(a: Array, b: Array, c: Array, d: Array, e: Array) -> Array:
    """Returns the median of e and of the middle two of the other four."""
    (low_ab, high_ab), (low_cd, high_cd) = _sort(a, b), _sort(c, d)
    return _median3(e, jnp.maximum(low_ab, low_cd), jnp.minimum(high_ab, high_cd))

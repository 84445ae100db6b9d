"""4253H, twice: the running-median smoother for signals that jitter (Velleman 1980).

P. F. Velleman, "Definition and comparison of robust nonlinear data smoothing algorithms", JASA 75 (1980) 609-615;
ends as in Velleman and Hoaglin, "Applications, Basics, and Computing of Exploratory Data Analysis" (1981), ch. 6:
near an end every smoother shortens to the widest span that still fits, and the end values themselves are copied on.
"Twice" is theirs too: what the first pass leaves is smoothed the same way and added back.
"""

import jax.numpy as jnp
from jax import Array


def _at(x: Array, offset: int) -> Array:
    """x[t + offset], the nearest end beyond the array's ends (never used there: spans shorten first)."""
    return x[jnp.clip(jnp.arange(x.shape[0]) + offset, 0, x.shape[0] - 1)]


def _median(x: Array, offsets: range) -> Array:
    return jnp.median(jnp.stack([_at(x, o) for o in offsets]), axis=0)


def smooth_4253h(x: Array, length: Array) -> Array:
    """4253H, once, over the first `length` values of x [T]; the others come back as they are."""
    t = jnp.arange(x.shape[0])
    reach = jnp.minimum(t, length - 1 - t)  # how many neighbours there are on both sides
    # 4: medians between t and t + 1 (two values at the ends); 2: their means bring them back onto the frames.
    pair_reach = jnp.minimum(t, length - 2 - t)
    half = jnp.where(pair_reach >= 1, _median(x, range(-1, 3)), _median(x, range(2)))
    x = jnp.where(reach >= 1, (_at(half, -1) + half) / 2, x)
    # 5
    x = jnp.where(reach >= 2, _median(x, range(-2, 3)), jnp.where(reach >= 1, _median(x, range(-1, 2)), x))
    # 3
    x = jnp.where(reach >= 1, _median(x, range(-1, 2)), x)
    # Hanning
    return jnp.where(reach >= 1, _at(x, -1) / 4 + x / 2 + _at(x, 1) / 4, x)


def smooth_4253h_twice(x: Array, length: Array) -> Array:
    """4253H of x [T], plus 4253H of what it left."""
    smooth = smooth_4253h(x, length)
    return smooth + smooth_4253h(x - smooth, length)

"""Eulerian magnification of motion (H.-Y. Wu et al., SIGGRAPH 2012): a band of frequencies in time, made larger.

Of a Laplacian pyramid the finest level stays as it is, since it is mostly noise, and all others are magnified alike;
that and the ideal filter are our choice. Put together again, those others are the picture reduced by half and expanded,
so that is what is computed.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Num

BINOMIAL = np.array([1, 4, 6, 4, 1]) / 16  # the pyramid's filter (P. Burt, E. Adelson, 1983)


@jax.jit
def magnify(
    video: Num[Array | np.ndarray, "frames height width"],
    fps: float,
    *,
    alpha: float = 10.0,
    low: float = 0.4,
    high: float = 3.0,
) -> Float[Array, "frames height width"]:
    """Returns a video whose changes in a band of frequencies are (1 + alpha) times as large, but for the finest detail.

    Args:
        video: of one channel.
        fps: frames per second.
        alpha: what is added, in units of what is there.
        low: of the band, in Hz.
        high: of the band, in Hz.

    Raises:
        ValueError: it is no video of one channel, or its sides are odd.
    """
    if video.ndim != 3 or video.shape[1] % 2 or video.shape[2] % 2:
        raise ValueError(f"the video has shape {video.shape}, expected [frames, height, width] with even sides.")
    coarse = original = jnp.asarray(video, float)
    for axis in (1, 2):
        coarse = _expand(_reduce(coarse, axis), axis)
    frequency = jnp.abs(jnp.fft.rfftfreq(len(original))) * fps
    band = (frequency >= low) & (frequency <= high)
    changes = jnp.fft.irfft(jnp.fft.rfft(coarse, axis=0) * band[:, None, None], n=len(original), axis=0)
    return original + alpha * changes


def _reduce(video: Float[Array, "frames height width"], axis: int) -> Float[Array, "frames h w"]:
    """Halves an axis: the filter at every second pixel; beyond the edge, the edge is repeated."""
    size = video.shape[axis]
    padded = jnp.pad(video, [(2, 2) if a == axis else (0, 0) for a in range(video.ndim)], mode="edge")
    taps = [lax.slice_in_dim(padded, tap, tap + size, stride=2, axis=axis) for tap in range(len(BINOMIAL))]
    return jnp.tensordot(jnp.asarray(BINOMIAL, video.dtype), jnp.stack(taps), 1)


def _expand(video: Float[Array, "frames h w"], axis: int) -> Float[Array, "frames height width"]:
    """Doubles an axis: the same filter between pixels, with twice the weight."""
    size = video.shape[axis]
    padded = jnp.pad(video, [(1, 1) if a == axis else (0, 0) for a in range(video.ndim)], mode="edge")
    before, here, after = (lax.slice_in_dim(padded, start, start + size, axis=axis) for start in range(3))
    even = 2 * (BINOMIAL[0] * before + BINOMIAL[2] * here + BINOMIAL[4] * after)
    odd = 2 * (BINOMIAL[1] * here + BINOMIAL[3] * after)
    doubled = jnp.stack([even, odd], axis=axis + 1)
    return doubled.reshape(*(2 * n if a == axis else n for a, n in enumerate(video.shape)))

"""Lines fitted around every frame: a smoothed signal and its slope, at any frame rate and up to the very ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax.numpy as jnp
from jax import Array

from dfuse_jax.dmarkers._pose import ratio

if TYPE_CHECKING:
    from jax.typing import ArrayLike
    from jaxtyping import Float

LEAST_SPREAD = 1e-4  # of the weighted frames about their mean: below it one frame has all the weight, and no slope


def fit_lines(
    signals: Float[Array, "signals frames"], length: ArrayLike, reach: Array
) -> tuple[Float[Array, "signals frames"], Float[Array, "signals frames"]]:
    """Fits a line around every frame t, with the weight exp(-u^2 / 2) of frame s, u = (s - t) / reach.

    With S_k the sum of the weights times u^k and M_k the sum of the weights times u^k D, over the frames that count,
    the line's value at t is (S2 M0 - S1 M1) / (S0 S2 - S1^2), and its slope (S0 M1 - S1 M0) / (S0 S2 - S1^2) / reach.
    The sums are convolutions, computed by Fourier transforms; at the ends they have fewer frames, not padding.

    Args:
        signals: [signals, T]. What frames from `length` on hold is of no consequence.
        length: how many of the T frames count.
        reach: standard deviation of the weights, in frames.

    Returns:
        Values and slopes (per frame), [signals, T] each, of no consequence from frame `length` on. Where the weights
        leave no second frame (one frame alone, or a reach below 0.2) they are the signal itself and 0.
    """
    frames = signals.shape[-1]
    size = 2 ** max(1, (2 * frames - 2).bit_length())  # room for every lag: the circular convolution is the plain one
    lag = jnp.arange(size)
    u = jnp.where(lag < frames, -lag, size - lag) / reach
    weight = jnp.exp(-(u**2) / 2)
    kernels = jnp.fft.rfft(jnp.stack([weight, u * weight, u**2 * weight]).astype(signals.dtype))

    def moments(x: Array, order: int) -> list[Array]:
        spectrum = jnp.fft.rfft(x, n=size)
        return [jnp.fft.irfft(kernels[k][None] * spectrum, n=size)[:, :frames] for k in range(order + 1)]

    counts = (jnp.arange(frames) < length)[None]
    first = signals[:, :1]
    rest = jnp.where(counts, signals - first, 0)  # small numbers: a transform rounds as its largest number does
    s0, s1, s2 = moments(counts.astype(signals.dtype), order=2)
    m0, m1 = moments(rest, order=1)
    spread = jnp.where(counts & (s0 * s2 - s1**2 > LEAST_SPREAD), s0 * s2 - s1**2, 0)
    value = jnp.where(spread > 0, ratio(s2 * m0 - s1 * m1, spread), rest)
    slope = ratio(s0 * m1 - s1 * m0, spread) / reach
    return first + value, slope

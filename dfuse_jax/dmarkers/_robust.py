"""The definition `robust`: D-Markers that mean the same when nothing has changed but the codec or the frame rate.

Signals and their speeds come from lines fitted over SCALE seconds, phases end between two frames, and a set of Table 2
has members by degrees: what the printed set or value would be on average if every speed had an error of about STILL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax.numpy as jnp
from jax import Array

from dfuse_jax.dmarkers._features import Maxima, Sums, over_frames, table
from dfuse_jax.dmarkers._levels import level_ends
from dfuse_jax.dmarkers._lines import fit_lines
from dfuse_jax.dmarkers._phases import PHASES, Ends, shares
from dfuse_jax.dmarkers._signals import REGIONS, Signals

if TYPE_CHECKING:
    from jax.typing import ArrayLike
    from jaxtyping import Float

# `python -m dfuse_jax.bench.stability --sweep` draws what other values give.
SCALE = 0.1  # s: standard deviation of the weights with which lines are fitted
STILL = 0.2  # 1/s: the speed of a tracker's error; speeds well below it have no direction


def robust_ends(lip: Float[Array, " frames"], length: ArrayLike, fps: Array, *, scale: float = SCALE) -> Ends:
    """Finds the phases in the lip signal as it is, not smoothed."""
    smooth, _ = fit_lines(lip[None], length, scale * fps)
    ends = level_ends(smooth[0], length)
    return ends._replace(exists=ends.exists & jnp.isfinite(fps))


def robust_features(
    signals: Signals, length: ArrayLike, fps: Array, *, scale: float = SCALE, still: float = STILL
) -> Float[Array, "3 3 25"]:
    """Computes Table 2 of signals as they are, not smoothed.

    A frame counts by the share W of it that lies within the phase. V and A are the slopes of lines fitted to D and to
    V. D+ and V+ have a frame with the weight W (1 + V / |V|) / 2, where |V| stands for sqrt(V^2 + still^2), and V+ is
    (|V| + V) / 2; D-, V- with V's sign changed; A+ and A- likewise with still / scale in the place of still. Sums are
    integrals over seconds, and maxima are those of the frames within the phase and of the values at its two ends.

    Args:
        signals: D, D_R and D_L, [3, T] each; value 25 compares the sides as they are.
        length: how many of the T frames count.
        fps: omega, frames per second.
        scale: s, standard deviation of the weights with which lines are fitted.
        still: 1/s, the speed below which a movement has no direction.

    Returns:
        [region, phase, value], in the order of VALUES. All values of a phase that does not exist are 0. In one that
        does, a signal at rest has a speed of still / 2 and an acceleration of still / scale / 2 both ways. Value 24 is
        the net amplitude of value 13 over the duration, here without a unit.
    """
    frames = signals.mean.shape[1]
    d, v = fit_lines(signals.mean, length, scale * fps)
    _, a = fit_lines(v, length, scale * fps)
    v, a = v * fps, a * fps**2
    ends = level_ends(d[REGIONS.index("lip")], length)
    begin, end = (jnp.where(ends.exists, position, 0) for position in (ends.begin, ends.end))
    frame = jnp.arange(frames)[None]
    within = (ends.exists[:, None] & (begin[:, None] <= frame) & (frame <= end[:, None]))[None]
    # From frame `length` on a fitted line is of no consequence, and no phase reaches there.
    d = jnp.where(frame < length, d, d[:, :1])
    reference = jnp.where(ends.exists[None], _at(d, begin), 0)
    up, down, v_up, v_down = _directions(v, still)
    gain, loss, a_gain, a_loss = _directions(a, still / scale)
    weight = (shares(ends, frames) / fps)[None]

    def spread(x: Array) -> Array:
        """One signal for every region, or for every region and phase, as [3, 3, T]."""
        x = x[:, None] if x.ndim == 2 else x
        return jnp.broadcast_to(x, (len(REGIONS), len(PHASES), frames)).astype(d.dtype)

    def weighed(x: Array) -> Array:
        return spread(x) * weight

    def inner(x: Array) -> Array:
        return jnp.where(within, spread(x), -jnp.inf)

    deviation = spread(d) - reference[..., None]
    fall = down * jnp.abs(d)
    total, largest = over_frames(
        Sums(
            n_up=weighed(up),
            n_down=weighed(down),
            n_gain=weighed(gain),
            n_loss=weighed(loss),
            deviation=weighed(deviation),
            squared_deviation=weighed(deviation**2),
            d_up=weighed(up * d),
            d_down=weighed(fall),
            d_down_averaged=weighed(fall),
            v_up=weighed(up * v_up),
            v_down=weighed(down * v_down),
            a_gain=weighed(gain * a_gain),
            a_loss=weighed(loss * a_loss),
            sides=weighed(signals.left - signals.right),
        ),
        Maxima(
            deviation=inner(deviation),
            v_up=inner(v_up),
            v_down=inner(v_down),
            a_gain=inner(a_gain),
            a_loss=inner(a_loss),
        ),
    )

    def with_ends(inside: Array, x: Array) -> Array:
        most = jnp.maximum(inside, jnp.maximum(_at(x, begin), _at(x, end)))
        return jnp.where(ends.exists[None], most, 0)

    largest = Maxima(
        deviation=with_ends(largest.deviation + reference, d) - reference,
        v_up=with_ends(largest.v_up, v_up),
        v_down=with_ends(largest.v_down, v_down),
        a_gain=with_ends(largest.a_gain, a_gain),
        a_loss=with_ends(largest.a_loss, a_loss),
    )
    seconds = jnp.broadcast_to(((end - begin) / fps)[None], reference.shape)
    return table(total, largest, n=seconds, reference=reference, omega=jnp.ones_like(fps))


def _directions(x: Array, still: float) -> tuple[Array, Array, Array, Array]:
    """Returns by what share x counts as positive and as negative, and its positive and its negative part."""
    size = jnp.sqrt(x**2 + still**2)
    return (1 + x / size) / 2, (1 - x / size) / 2, (size + x) / 2, (size - x) / 2


def _at(x: Float[Array, "3 frames"], position: Float[Array, " 3"]) -> Float[Array, "3 3"]:
    """Returns every signal's value at every position, linear between two frames."""
    # Far from any number of frames where there is no position, as with a frame rate that is NaN.
    before = jnp.clip(jnp.nan_to_num(jnp.floor(position)), 0, x.shape[1] - 1).astype(int)
    after = jnp.minimum(before + 1, x.shape[1] - 1)
    share = (position - before)[None]
    return (1 - share) * x[:, before] + share * x[:, after]

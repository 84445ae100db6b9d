"""Onset, apex and offset of `robust`: between 20 and 80% of the largest rise of the lip corners and of its fall."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax.numpy as jnp
from jax import Array, lax

from dfuse_jax.dmarkers._phases import Ends
from dfuse_jax.dmarkers._pose import ratio

if TYPE_CHECKING:
    from jax.typing import ArrayLike
    from jaxtyping import Bool, Float

LOW, HIGH = 0.2, 0.8  # onset and offset lie between these shares of the rise and of the fall
LEAST = 0.02  # of D_lip: a smaller movement is neither onset nor offset
LEAST_SHARE = 0.25  # of the larger of rise and fall: the smaller one must be so large


def level_ends(lip: Float[Array, " frames"], length: ArrayLike) -> Ends:
    """Finds where each phase begins and ends.

    The rise to frame t starts from the lowest value up to t, the fall from t ends at the lowest value after it. The
    peak is the frame whose rise and fall are the largest together (the earliest on a tie). Onset begins where the
    signal last passes 20% of the rise before the peak, and ends where it first reaches 80% after that; offset is the
    same played backwards, and apex is between the two. A signal that is NaN or infinite in a frame that counts has no
    phases; nor has one whose movements are below LEAST, and a smaller one of rise and fall that is below LEAST_SHARE of
    the larger does not exist.

    Args:
        lip: [T], smoothed D_lip.
        length: how many of the T frames count.
    """
    frame = jnp.arange(lip.shape[0])
    counts = frame < length
    usable = (jnp.isfinite(lip) | ~counts).all()
    lip = jnp.where(counts, lip, lip[:1])
    rise = jnp.where(counts, lip - lax.cummin(lip), 0)
    fall = jnp.where(counts, lip - lax.cummin(jnp.where(counts, lip, jnp.inf), reverse=True), 0)
    peak = jnp.argmax(jnp.where(counts, rise + fall, -1))
    top, rise, fall = lip[peak], rise[peak], fall[peak]
    least = jnp.maximum(LEAST, LEAST_SHARE * jnp.maximum(rise, fall))
    rises, falls = usable & (rise >= least), usable & (fall >= least)
    share = jnp.where(counts, ratio(lip - (top - rise), rise), 2)
    onset_begin, onset_end = _last_rise(share, frame <= peak)
    share = jnp.where(counts, ratio(lip - (top - fall), fall), 2)
    from_end = _last_rise(share[::-1], (counts & (frame >= peak))[::-1])
    offset_end, offset_begin = (len(lip) - 1 - position for position in from_end)
    return Ends(
        begin=jnp.stack([onset_begin, onset_end, offset_begin]),
        end=jnp.stack([onset_end, offset_begin, offset_end]),
        exists=jnp.stack([rises, rises & falls, falls]),
    )


def _last_rise(share: Float[Array, " frames"], before: Bool[Array, " frames"]) -> tuple[Array, Array]:
    """Returns where the last rise from LOW to HIGH begins and ends, in the frames `before` the peak (with it)."""
    lowest_ahead = lax.cummin(jnp.where(before, share, 2), reverse=True)
    begin = _position(lowest_ahead, LOW)
    highest_so_far = lax.cummax(jnp.where(before & (lowest_ahead >= LOW), share, lowest_ahead))
    return begin, jnp.maximum(begin, _position(highest_so_far, HIGH))


def _position(signal: Float[Array, " frames"], level: float) -> Array:
    """Returns where a signal that never falls reaches a level, in frames, linear between two frames."""
    low, step = signal[:-1], jnp.diff(signal)
    level_step = (low < level).astype(signal.dtype)  # where the signal stays: 1 before the level, 0 from it on
    return jnp.sum(jnp.where(step > 0, jnp.clip((level - low) / jnp.where(step > 0, step, 1), 0, 1), level_step))

"""Onset, apex and offset: the longest rise of the lip corners, the longest fall, and what lies between [30]."""

import jax.numpy as jnp
from jax import Array, lax

PHASES = ("onset", "apex", "offset")


def _longest(moving: Array, valid: Array, overshoot: bool) -> tuple[Array, Array, Array]:
    """First and last frame of the longest run of frames that are joined by steps in one direction, and if there is one.

    Args:
        moving: [T], whether the step from t - 1 to t goes that way.
        valid: [T], the frames that count.
        overshoot: whether a run takes in the frame after it, where there is one (published code).
    """
    frame = jnp.arange(moving.shape[0])
    first = lax.cummax(jnp.where(moving, 0, frame))
    after = jnp.append(valid[1:], False) & ~jnp.append(moving[1:], False)
    extra = (after & overshoot & (frame > first)).astype(frame.dtype)
    size = jnp.where(valid, frame - first + 1 + extra, 0)
    last = jnp.argmax(size)  # the earliest on a tie
    return first[last], last + extra[last], size[last] > 1


def find(signal: Array, length: Array, *, overshoot: bool = False) -> Array:
    """Frames of each phase: [3, T] booleans in the order of PHASES.

    Args:
        signal: [T], D_lip.
        length: how many of the T frames count.
        overshoot: the published code's reading of a run, which takes in the frame that ends it.

    Returns:
        Onset: the longest run of frames over which the signal strictly increases, the earliest on a tie; offset: the
        same decreasing; apex: the frames strictly between. A phase that does not exist has no frame.
    """
    frame = jnp.arange(signal.shape[0])
    valid = frame < length
    step = jnp.diff(signal, prepend=signal[:1])
    onset_first, onset_last, has_onset = _longest(valid & (step > 0), valid, overshoot)
    offset_first, offset_last, has_offset = _longest(valid & (step < 0), valid, overshoot)
    return jnp.stack(
        [
            has_onset & (onset_first <= frame) & (frame <= onset_last),
            has_onset & has_offset & (onset_last < frame) & (frame < offset_first),
            has_offset & (offset_first <= frame) & (frame <= offset_last),
        ]
    )

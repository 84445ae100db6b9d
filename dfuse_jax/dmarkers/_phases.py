"""Onset, apex and offset: the longest rise of the lip corners, the longest fall, and what lies between [30]."""

import jax.numpy as jnp
from jax import Array, lax

PHASES = ("onset", "apex", "offset")


def spans(signal: Array, length: Array, *, overshoot: bool = False) -> tuple[Array, Array]:
    """Where each phase starts and stops.

    Onset is the longest run of frames over which the signal strictly increases, the earliest on a tie; offset is the
    same decreasing; apex is the frames strictly between.

    Args:
        signal: [T], D_lip.
        length: how many of the T frames count.
        overshoot: the published code's reading of a run, which takes in the frame that ends it.

    Returns:
        First frame, and the one after the last, [3] each in the order of PHASES; equal where a phase does not exist.
    """
    frame = jnp.arange(signal.shape[0])
    valid = frame < length
    step = jnp.diff(signal, prepend=signal[:1])
    moving = jnp.stack([step > 0, step < 0]) & valid  # the step from t - 1 to t goes that way
    first = lax.cummax(jnp.where(moving, 0, frame), axis=1)  # of the run that holds t
    size = frame - first + 1
    if overshoot:
        ended = jnp.pad(~moving[:, 1:] & valid[1:], ((0, 0), (0, 1)))  # there is a next frame, and it ends the run
        size = size + ((size > 1) & ended)
    size = jnp.where(valid, size, 0)
    last = jnp.argmax(size, axis=1)  # the earliest on a tie
    (rise, fall), (risen, fallen) = first[jnp.arange(2), last], jnp.max(size, axis=1)
    start = jnp.stack([rise, rise + risen, fall])
    stop = jnp.stack([rise + risen, fall, fall + fallen])
    exists = jnp.stack([risen > 1, (risen > 1) & (fallen > 1), fallen > 1])
    return start, jnp.where(exists, jnp.maximum(start, stop), start)


def inside(start: Array, stop: Array, frames: int) -> Array:
    """Which of the frames 0 to `frames` - 1 each span holds: [..., frames] booleans."""
    frame = jnp.arange(frames)
    return (start[..., None] <= frame) & (frame < stop[..., None])

"""Onset, apex and offset of `paper`: the longest rise of the lip corners, the longest fall, what lies between [30].

A frame stands for the time from half a frame before it to half a frame after it, and a phase for an interval of time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax.numpy as jnp
from jax import Array, lax

if TYPE_CHECKING:
    from jax.typing import ArrayLike
    from jaxtyping import Bool, Float, Int

PHASES = ("onset", "apex", "offset")


class Spans(NamedTuple):
    """The first frame of every phase and the frame after its last, [3] each in the order of PHASES.

    The two are equal where a phase does not exist.
    """

    start: Int[Array, " 3"]
    stop: Int[Array, " 3"]


class Ends(NamedTuple):
    """Where the phases begin and end, in frames and fractions of a frame, [3] each in the order of PHASES.

    Attributes:
        begin: frame 0 is at 0, and stands for -0.5 to 0.5.
        end: of the phase, not before `begin`.
        exists: where it is False, the other two are of no consequence.
    """

    begin: Float[Array, " 3"]
    end: Float[Array, " 3"]
    exists: Bool[Array, " 3"]


def shares(ends: Ends, frames: int) -> Float[Array, "3 frames"]:
    """Returns the share of every frame from 0 to `frames` - 1 that lies within each phase."""
    frame = jnp.arange(frames, dtype=ends.begin.dtype)[None]
    begin, end = ends.begin[:, None], ends.end[:, None]
    share = jnp.clip(jnp.minimum(frame + 0.5, end) - jnp.maximum(frame - 0.5, begin), 0, 1)
    return jnp.where(ends.exists[:, None], share, 0)


def run_ends(lip: Float[Array, " frames"], length: ArrayLike, fps: ArrayLike, *, overshoot: bool = False) -> Ends:
    """Returns the intervals that the frames of `spans` stand for."""
    del fps  # runs are counted in frames
    phases = spans(lip, length, overshoot=overshoot)
    begin, end = (number.astype(lip.dtype) - 0.5 for number in phases)
    return Ends(begin=begin, end=end, exists=phases.stop > phases.start)


def spans(lip: Float[Array, " frames"], length: ArrayLike, *, overshoot: bool = False) -> Spans:
    """Finds where each phase starts and stops.

    Onset is the longest run of frames over which the signal strictly increases, the earliest on a tie; offset is the
    same decreasing; apex is the frames strictly between. A signal that is NaN or infinite in a frame that counts has
    no phases.

    Args:
        lip: [T], D_lip.
        length: how many of the T frames count.
        overshoot: the published code's reading of a run, which includes the frame that ends it.
    """
    frame = jnp.arange(lip.shape[0])
    counts = frame < length
    usable = (jnp.isfinite(lip) | ~counts).all()
    step = jnp.diff(lip, prepend=lip[:1])
    moving = jnp.stack([step > 0, step < 0]) & counts[None]  # the step from t - 1 to t goes up, or down
    first = lax.cummax(jnp.where(moving, 0, frame[None]), axis=1)  # of the run to which t belongs
    size = frame[None] - first + 1
    if overshoot:
        ended = jnp.pad(~moving[:, 1:] & counts[None, 1:], ((0, 0), (0, 1)))  # the next frame exists and ends the run
        size = size + ((size > 1) & ended)
    size = jnp.where(counts[None] & usable, size, 0)
    last = jnp.argmax(size, axis=1)  # the earliest on a tie
    rise_start, fall_start = first[jnp.arange(2), last]
    rise_size, fall_size = jnp.max(size, axis=1)
    rises, falls = rise_size > 1, fall_size > 1
    rise_stop, fall_stop = rise_start + rise_size, fall_start + fall_size
    start = jnp.stack([rise_start, rise_stop, fall_start])
    stop = jnp.stack([rise_stop, fall_start, fall_stop])
    exists = jnp.stack([rises, rises & falls, falls])
    return Spans(start=start, stop=jnp.where(exists, jnp.maximum(start, stop), start))


def extended_spans(lip: Float[Array, " frames"], length: ArrayLike) -> Spans:
    """Finds phases that leave out no frame: the onset begins with the video, the offset ends with it.

    Onset ends with the longest rise before the longest fall, which begins the offset; apex is the frames between. Where
    there is no such rise or no fall, that phase and the apex do not exist.

    Args:
        lip: [T], D_lip.
        length: how many of the T frames count.
    """
    fall = spans(lip, length)
    falls = fall.stop[2] > fall.start[2]
    # The fall's first frame is the last that a rise before it may have.
    rise = spans(lip, jnp.where(falls, fall.start[2] + 1, length))
    rises = rise.stop[0] > rise.start[0]
    start = jnp.stack([0 * rise.stop[0], rise.stop[0], fall.start[2]])
    stop = jnp.stack([rise.stop[0], fall.start[2], jnp.asarray(length, fall.start.dtype)])
    exists = jnp.stack([rises, rises & falls, falls])
    return Spans(start=start, stop=jnp.where(exists, jnp.maximum(start, stop), start))


def whole_span(lip: Float[Array, " frames"], length: ArrayLike) -> Spans:
    """Returns the whole video as the first phase; the other two do not exist."""
    del lip
    stop = jnp.zeros(3, int).at[0].set(length)
    return Spans(start=jnp.zeros_like(stop), stop=stop)


def inside(phases: Spans, frames: int, *, skip: int = 0) -> Bool[Array, "3 frames"]:
    """Returns which of the frames 0 to `frames` - 1 belong to each phase, without its first `skip` frames."""
    frame = jnp.arange(frames)[None]
    return (phases.start[:, None] + skip <= frame) & (frame < phases.stop[:, None])

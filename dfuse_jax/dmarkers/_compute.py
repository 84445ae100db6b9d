"""From the landmarks of one sequence to signals, phases, features and head pose."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from dfuse_jax.dmarkers import _features
from dfuse_jax.dmarkers._checks import put_number
from dfuse_jax.dmarkers._definitions import DEFINITIONS, SMOOTHERS, check_options
from dfuse_jax.dmarkers._phases import Ends, extended_spans, shares, spans, whole_span
from dfuse_jax.dmarkers._points import check_shape, to_points
from dfuse_jax.dmarkers._pose import metric, pose, positive
from dfuse_jax.dmarkers._signals import REGIONS, Signals

if TYPE_CHECKING:
    from jax import Array
    from jax.typing import ArrayLike
    from jaxtyping import Bool, Float

SPANS = {"runs": spans, "extended": extended_spans, "whole": whole_span}


def signals(
    landmarks: Float[ArrayLike, "frames points 3"],
    *,
    length: ArrayLike | None = None,
    aspect: ArrayLike = 1.0,
    definition: str = "paper",
    smoothing: str | None = None,
) -> Signals:
    """Computes eye aperture, cheek elevation and lip corners over time (eqs. 5-7).

    Args:
        landmarks: [T, 478, 3] or [T, 11, 3] (Table 1's points), T >= 1, in MediaPipe's coordinates; for `authors`,
            min-max scaled as the published code does.
        length: the first `length` frames count (default: all T); what the others hold is of no consequence.
        aspect: image height / width; ignored by `authors`.
        definition: "paper"; "robust", whose eye signal is the lids' signed height; or "authors" for the published
            code's.
        smoothing: None, or "4253H" for the running-median smoother 4253H, twice, of the three mean signals. "robust"
            takes None alone: it smooths when it computes phases and features, and its signals are as they are.

    Returns:
        Signals of [3, T] each, in the order of REGIONS. From frame `length` on they repeat frame 0's values.

        They are NaN in a frame that has a NaN or infinite coordinate among Table 1's points, and in every frame if the
        aspect is not a positive number. If it is frame 0, to which cheeks and lips are referred, these are NaN in every
        frame. Smoothing spreads NaN to the frames around.

    Raises:
        ValueError: for a wrong shape or an unknown option.
    """
    check_options(definition=definition, smoothing=smoothing)
    landmarks = jnp.asarray(landmarks)
    check_shape(landmarks.shape)
    return _compiled_signals(
        landmarks,
        put_number("length", len(landmarks) if length is None else length),
        put_number("aspect", aspect),
        definition=definition,
        smoothing=smoothing,
    )


# Called outside jit these functions still compile as a whole: a second, where one operation after another takes many.
@functools.partial(jax.jit, static_argnames=("definition", "smoothing"))
def _compiled_signals(
    landmarks: Array, length: ArrayLike, aspect: ArrayLike, *, definition: str, smoothing: str | None
) -> Signals:
    points = to_points(landmarks)
    # Padding becomes frame 0: whatever it held, NaN included, it can reach neither a value nor a gradient.
    counts = (jnp.arange(len(points)) < length)[:, None, None]
    points = jnp.where(counts, points, points[:1])
    result = DEFINITIONS[definition].signals(points, aspect)
    return result._replace(mean=SMOOTHERS[smoothing](result.mean, length))


def phases(
    lip: Float[ArrayLike, " frames"],
    fps: ArrayLike | None = None,
    *,
    length: ArrayLike | None = None,
    definition: str = "paper",
) -> Bool[Array, "3 frames"]:
    """Finds the frames of onset, apex and offset in the lip signal.

    Args:
        lip: [T], D_lip: `signals(...).mean[2]`.
        fps: frames per second, which "robust" alone needs.
        length: the first `length` frames count (default: all T).
        definition: "paper"; "robust", whose phases are intervals of time (`phase_ends`): a frame belongs to a phase if
            at least half of it lies within; or "authors" for the published code's reading of a run.

    Returns:
        [3, T] booleans in the order of PHASES. A phase that does not exist has no frame; none exists in a signal that
        is NaN or infinite in a frame that counts, or for "robust" at a frame rate that is not a positive number.

    Raises:
        ValueError: for a wrong shape, an unknown definition or a missing frame rate.
    """
    return _compiled_phases(*_read_lip(lip, fps, length=length, definition=definition), definition=definition)


def phase_ends(
    lip: Float[ArrayLike, " frames"],
    fps: ArrayLike | None = None,
    *,
    length: ArrayLike | None = None,
    definition: str = "paper",
) -> Float[Array, "3 2"]:
    """Finds where onset, apex and offset begin and end, in frames and fractions of a frame.

    Frame t stands for the time from t - 1/2 to t + 1/2: a phase of the frames 3 to 5 begins at 2.5 and ends at 5.5.

    Args:
        lip: [T], D_lip: `signals(...).mean[2]`.
        fps: frames per second, which "robust" alone needs.
        length: the first `length` frames count (default: all T).
        definition: "paper", "robust" or "authors", as for `phases`.

    Returns:
        [3, 2], begin and end in the order of PHASES, NaN where a phase does not exist.

    Raises:
        ValueError: for a wrong shape, an unknown definition or a missing frame rate.
    """
    return _compiled_phase_ends(*_read_lip(lip, fps, length=length, definition=definition), definition=definition)


def _read_lip(
    lip: ArrayLike, fps: ArrayLike | None, *, length: ArrayLike | None, definition: str
) -> tuple[Array, Array, Array]:
    """Returns lip signal, frame rate (1 where none is needed) and length on the device, checked."""
    check_options(definition=definition)
    lip = jnp.asarray(lip)
    if lip.ndim != 1 or lip.shape[0] == 0:
        raise ValueError(f"the lip signal has shape {lip.shape}, expected [T] with T >= 1.")
    if fps is None and DEFINITIONS[definition].smooths:
        raise ValueError(f"the definition {definition!r} needs the frame rate: give fps, in frames per second.")
    return (
        lip,
        put_number("fps", 1.0 if fps is None else fps),
        put_number("length", len(lip) if length is None else length),
    )


@functools.partial(jax.jit, static_argnames="definition")
def _compiled_phases(lip: Array, fps: Array, length: Array, *, definition: str) -> Array:
    return shares(_find_ends(lip, fps, length, definition), len(lip)) >= 0.5


@functools.partial(jax.jit, static_argnames="definition")
def _compiled_phase_ends(lip: Array, fps: Array, length: Array, *, definition: str) -> Array:
    ends = _find_ends(lip, fps, length, definition)
    return jnp.where(ends.exists[:, None], jnp.stack([ends.begin, ends.end], axis=1), jnp.nan)


def _find_ends(lip: Array, fps: Array, length: Array, definition: str) -> Ends:
    lip = lip if jnp.issubdtype(lip.dtype, jnp.floating) else lip.astype(float)
    return DEFINITIONS[definition].ends(lip, length, positive(fps, lip.dtype))


def compute(
    landmarks: Float[ArrayLike, "frames points 3"],
    fps: ArrayLike,
    *,
    length: ArrayLike | None = None,
    aspect: ArrayLike = 1.0,
    definition: str = "paper",
    smoothing: str | None = None,
) -> Float[Array, " 225"]:
    """Computes the 225 D-Markers of one sequence, named by FEATURE_NAMES.

    Inside `jax.jit` and outside it gives the same. Arrays that are on a device are used there: with those alone it runs
    under `jax.transfer_guard("disallow")`.

    Args:
        landmarks: [T, 478, 3] or [T, 11, 3] (Table 1's points), T >= 1, in MediaPipe's coordinates; for `authors`,
            min-max scaled as the published code does.
        fps: frames per second, omega of Table 2; ignored by `authors`.
        length: the first `length` frames count (default: all T); what the others hold is of no consequence.
        aspect: image height / width; ignored by `authors`.
        definition: "paper"; "robust", whose features mean the same after the video was encoded once more; or "authors"
            for the published code's, for parity only: it removes no head pose, knows no frame rate, and its features 25
            are 0.
        smoothing: None, or "4253H" (Velleman 1980): real landmarks jitter, and a strictly monotone run ends at the
            first jitter. "robust" takes None alone, as it smooths over seconds.

    Returns:
        [225] in the landmarks' precision: region (eye, cheek, lip), phase (onset, apex, offset), Table 2's 25 values.

        All are NaN if a frame that counts has a NaN or infinite coordinate among Table 1's points, or if fps or aspect
        is not a positive number: a video in which the face was lost has no features. A degenerate head is another
        matter, see the module.

    Raises:
        ValueError: for a wrong shape or an unknown option.
    """
    check_options(definition=definition, smoothing=smoothing)
    landmarks = jnp.asarray(landmarks)
    check_shape(landmarks.shape)
    return compiled_features(
        landmarks,
        put_number("fps", fps),
        put_number("length", len(landmarks) if length is None else length),
        put_number("aspect", aspect),
        definition=definition,
        smoothing=smoothing,
    )


def describe(
    curves: Signals,
    fps: ArrayLike,
    *,
    length: ArrayLike | None = None,
    phases: str = "runs",
    increments: bool = False,
) -> Float[Array, "3 3 25"]:
    """Computes Table 2 of any three signals, with the sets of the definition `paper`, in phases of the third signal.

    Args:
        curves: [3, T] each; `mean[2]` gives the phases.
        fps: frames per second.
        length: the first `length` frames count (default: all T).
        phases: "runs", the longest rise and the longest fall; "extended", in which the onset begins with the sequence
            and the offset ends with it; or "whole", in which the first phase is the sequence and the others are empty.
        increments: whether D+ and D- are the steps D(t) - D(t-1) up and down, instead of the levels D(t) after them.

    Returns:
        [signal, phase, value], the values in the order of VALUES.

    Raises:
        ValueError: for unknown phases.
    """
    if phases not in SPANS:
        raise ValueError(f"unknown phases {phases!r}; known: {', '.join(SPANS)}.")
    limits = SPANS[phases](curves.mean[2], curves.mean.shape[-1] if length is None else length)
    omega = positive(jnp.asarray(fps), curves.mean.dtype)
    return _features.describe(curves, limits, omega, increments=increments)


def smooth(curve: Float[Array, "... frames"], *, length: ArrayLike | None = None) -> Float[Array, "... frames"]:
    """Smooths signals by 4253H, twice (Velleman 1980), over their first `length` frames (default: all)."""
    return SMOOTHERS["4253H"](curve, curve.shape[-1] if length is None else length)


@functools.partial(jax.jit, static_argnames=("definition", "smoothing"))
def compiled_features(
    landmarks: Float[Array, "frames points 3"],
    fps: ArrayLike,
    length: ArrayLike,
    aspect: ArrayLike,
    *,
    definition: str,
    smoothing: str | None,
) -> Float[Array, " 225"]:
    """Computes what `compute` does, its arguments checked."""
    rules = DEFINITIONS[definition]
    curves = _compiled_signals(landmarks, length, aspect, definition=definition, smoothing=smoothing)
    lip = curves.mean[REGIONS.index("lip")]
    omega = positive(fps if rules.knows_frame_rate else 1, lip.dtype)
    features = rules.features(curves, length, omega).reshape(-1)
    # A frame that cannot be used has no signal of any region; one tells.
    usable = jnp.isfinite(lip).all() & jnp.isfinite(omega)
    return jnp.where(usable, features, jnp.nan)


def head_pose(landmarks: Float[ArrayLike, "frames points 3"], *, aspect: ArrayLike = 1.0) -> Float[Array, "frames 3"]:
    """Computes how the head is turned, which the definition `paper` takes out.

    Args:
        landmarks: [T, 478, 3] or [T, 11, 3] (Table 1's points), in MediaPipe's coordinates.
        aspect: image height / width.

    Returns:
        [T, 3] in degrees. Roll: the person's left eye goes down. Yaw: it goes away from the camera. Pitch: the face
        turns up, from what it was in frame 0 (the nose's length, which differs between people, would count otherwise).
        NaN where a coordinate of Table 1's points is NaN or infinite (in frame 0: the pitch of every frame), and
        everywhere if the aspect is not a positive number.

    Raises:
        ValueError: for a wrong shape.
    """
    landmarks = jnp.asarray(landmarks)
    check_shape(landmarks.shape)
    return _compiled_pose(landmarks, put_number("aspect", aspect))


@jax.jit
def _compiled_pose(landmarks: Array, aspect: Array) -> Array:
    x, y, z = pose(metric(to_points(landmarks), aspect)).axes
    roll, yaw, pitch = jnp.arctan2(x[1], x[0]), jnp.arctan2(x[2], jnp.hypot(x[0], x[1])), jnp.arctan2(-y[2], z[2])
    return jnp.degrees(jnp.stack([roll, yaw, pitch - pitch[0]], axis=1))

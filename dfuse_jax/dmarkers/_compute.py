"""From the landmarks of one sequence to signals, phases, features and head pose."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import jax
import jax.numpy as jnp

from dfuse_jax.dmarkers._checks import put_number
from dfuse_jax.dmarkers._definitions import DEFINITIONS, SMOOTHERS, check_options
from dfuse_jax.dmarkers._phases import inside
from dfuse_jax.dmarkers._points import check_shape, to_points
from dfuse_jax.dmarkers._pose import metric, pose, positive
from dfuse_jax.dmarkers._signals import REGIONS, Signals

if TYPE_CHECKING:
    from jax import Array
    from jax.typing import ArrayLike
    from jaxtyping import Bool, Float


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
        definition: "paper", or "authors" for the published code's.
        smoothing: None, or "4253H" for the running-median smoother 4253H, twice, of the three mean signals.

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
    lip: Float[ArrayLike, " frames"], *, length: ArrayLike | None = None, definition: str = "paper"
) -> Bool[Array, "3 frames"]:
    """Finds the frames of onset, apex and offset in the lip signal.

    Args:
        lip: [T], D_lip: `signals(...).mean[2]`.
        length: the first `length` frames count (default: all T).
        definition: "paper", or "authors" for the published code's reading of a run.

    Returns:
        [3, T] booleans in the order of PHASES. A phase that does not exist has no frame; none exists in a signal that
        is NaN or infinite in a frame that counts.

    Raises:
        ValueError: for a wrong shape or an unknown definition.
    """
    check_options(definition=definition)
    lip = jnp.asarray(lip)
    if lip.ndim != 1 or lip.shape[0] == 0:
        raise ValueError(f"the lip signal has shape {lip.shape}, expected [T] with T >= 1.")
    length = put_number("length", len(lip) if length is None else length)
    return _compiled_phases(lip, length, definition=definition)


@functools.partial(jax.jit, static_argnames="definition")
def _compiled_phases(lip: Array, length: ArrayLike, *, definition: str) -> Array:
    return inside(DEFINITIONS[definition].phases(lip, length), len(lip))


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
        definition: "paper", or "authors" for the published code's, for parity only: it removes no head pose, knows no
            frame rate, and its features 25 are 0.
        smoothing: None, or "4253H" (Velleman 1980): real landmarks jitter, and a strictly monotone run ends at the
            first jitter.

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
    features = rules.describe(curves, rules.phases(lip, length), omega).reshape(-1)
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

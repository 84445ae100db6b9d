"""D-Markers: 225 handcrafted features of how a smile moves (paper section 3.2, Tables 1 and 2, eqs. 5-7).

Pure functions of one sequence, on jax alone: jit them, vmap them over a batch, differentiate them.

    features = jax.jit(jax.vmap(dmarkers.compute))(landmarks, fps)   # [B, T, 478, 3], [B] -> [B, 225]

`validate` says what is wrong with an input; `to_frame` (pandas), `plot` (matplotlib) and `DMarkers` (scikit-learn)
import what they need when they are first used.

What to know of the definition before reading a feature:

* Eq. 6 divides both eyes by the right eye's width in the same frame, as printed. Mirroring a face swaps left and right
  and changes no cheek or lip feature; the eye signal it multiplies by the ratio of the two eyes' widths.
* The plane of the head pose runs through the eyes and the tip of the nose, which stands out of the face, so its y axis
  leans some 45 degrees towards the viewer. "Below" in eq. 6 means along that axis: on real faces the eye signal jumps
  from about +0.3 to -0.26 when the lid has closed by 20 to 30%, long before it passes the corners of the eye.
* A step counts as up or down however small it is. A face that is perfectly still, on a head that moves, shows the last
  digits of rounding as movement; landmarks that were tracked or filmed never get there.
* Within NEAR (1e-6 of the head's size) distances count as 0: a head whose eyes coincide, or whose nose tip is in line
  with them, has no pose, all its points become 0, and so does every ratio to such a distance.

In float32, signals are within 1e-5 of float64's (of the largest D), and features within 1e-4 of their own value plus
1e-5 of the largest D (1e-4 for sums), times fps for speeds and twice fps squared for accelerations. That holds while no
step and no change of steps is below 1e-5, as their signs decide what is counted. Values 14 and 15 divide by a sum that
cancels for an eye whose signal is negative: there they are as uncertain as that sum.
"""

import functools
import importlib

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from dfuse_jax.dmarkers import _phases, _pose, _signals
from dfuse_jax.dmarkers._checks import check_scalars, validate
from dfuse_jax.dmarkers._features import FEATURE_NAMES, VALUES, describe
from dfuse_jax.dmarkers._phases import PHASES
from dfuse_jax.dmarkers._points import LANDMARKS, select
from dfuse_jax.dmarkers._signals import REGIONS, Signals
from dfuse_jax.dmarkers._smoothing import smooth_4253h_twice

__all__ = [
    "FEATURE_NAMES",
    "LANDMARKS",
    "PHASES",
    "REGIONS",
    "VALUES",
    "DMarkers",
    "Signals",
    "compute",
    "head_pose",
    "phases",
    "plot",
    "signals",
    "to_frame",
    "validate",
]

DEFINITIONS = ("paper", "authors")
SMOOTHINGS = (None, "4253H")

_ON_USE = {
    "plot": ("plot", "matplotlib"),
    "to_frame": ("frame", "pandas"),
    "DMarkers": ("transformer", "scikit-learn"),
}


def __getattr__(name: str):
    """What needs more than jax is imported when it is first asked for."""
    if name not in _ON_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, needs = _ON_USE[name]
    try:
        return getattr(importlib.import_module(f"{__name__}.extras.{module}"), name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"dmarkers.{name} needs {needs} (no module {error.name!r}): pip install {needs}"
        ) from error


def _check(value: str | None, known: tuple, what: str) -> None:
    if value not in known:
        raise ValueError(f"unknown {what} {value!r}; known: {', '.join(map(str, known))}.")


def signals(
    landmarks: ArrayLike,
    *,
    length: ArrayLike | None = None,
    aspect: ArrayLike = 1.0,
    definition: str = "paper",
    smoothing: str | None = None,
) -> Signals:
    """Eye aperture, cheek elevation and lip corners over time (eqs. 5-7).

    Args:
        landmarks: [T, 478, 3] or [T, 11, 3] (Table 1's points), T >= 1, in MediaPipe's coordinates; for `authors`,
            min-max scaled as the published code does.
        length: the first `length` frames count (default: all T); what the others hold is of no consequence.
        aspect: image height / width.
        definition: "paper", or "authors" for the published code's.
        smoothing: None, or "4253H" for the running-median smoother 4253H, twice, of the three mean signals.

    Returns:
        Signals of [3, T] each, in the order of REGIONS. From frame `length` on they repeat frame 0's values.

    Raises:
        ValueError: for a wrong shape or an unknown option.
    """
    _check(definition, DEFINITIONS, "definition")
    _check(smoothing, SMOOTHINGS, "smoothing")
    points = select(landmarks)
    check_scalars(length=length, aspect=aspect)
    return _signals_of(points, points.shape[0] if length is None else length, aspect, definition, smoothing)


# Called outside jit these still compile as a whole: a second, where one operation after another takes many.
@functools.partial(jax.jit, static_argnums=(3, 4))
def _signals_of(points: Array, length: Array, aspect: Array, definition: str, smoothing: str | None) -> Signals:
    # Padding becomes frame 0: whatever it held, NaN included, it can reach neither a value nor a gradient.
    points = jnp.where((jnp.arange(points.shape[0]) < length)[:, None, None], points, points[0])
    result = getattr(_signals, definition)(points, jnp.asarray(aspect, points.dtype))
    if smoothing is None:
        return result
    return result._replace(mean=smooth_4253h_twice(result.mean, length))


def phases(lip: ArrayLike, *, length: ArrayLike | None = None, definition: str = "paper") -> Array:
    """Frames of onset, apex and offset, from the lip signal.

    Args:
        lip: [T], D_lip: `signals(...).mean[2]`.
        length: the first `length` frames count (default: all T).
        definition: "paper", or "authors" for the published code's reading of a run.

    Returns:
        [3, T] booleans in the order of PHASES; a phase that does not exist has no frame.
    """
    _check(definition, DEFINITIONS, "definition")
    lip = jnp.asarray(lip)
    if lip.ndim != 1 or lip.shape[0] == 0:
        raise ValueError(f"the lip signal has shape {lip.shape}, expected [T] with T >= 1.")
    length = jnp.asarray(lip.shape[0] if length is None else length)
    return _phases.inside(*_phases.spans(lip, length, overshoot=definition == "authors"), lip.shape[0])


def compute(
    landmarks: ArrayLike,
    fps: ArrayLike,
    *,
    length: ArrayLike | None = None,
    aspect: ArrayLike = 1.0,
    definition: str = "paper",
    smoothing: str | None = None,
) -> Array:
    """The 225 D-Markers of one sequence, named by FEATURE_NAMES.

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

    Raises:
        ValueError: for a wrong shape or an unknown option.
    """
    _check(definition, DEFINITIONS, "definition")
    _check(smoothing, SMOOTHINGS, "smoothing")
    points = select(landmarks)
    check_scalars(fps=fps, length=length, aspect=aspect)
    return _features_of(points, fps, points.shape[0] if length is None else length, aspect, definition, smoothing)


@functools.partial(jax.jit, static_argnums=(4, 5))
def _features_of(points, fps, length, aspect, definition: str, smoothing: str | None) -> Array:
    found = _signals_of(points, length, aspect, definition, smoothing)
    authors = definition == "authors"
    lip = found.mean[REGIONS.index("lip")]
    start, stop = _phases.spans(lip, length, overshoot=authors)
    rate = jnp.asarray(1.0 if authors else fps, lip.dtype)
    return describe(found, start, stop, rate, authors=authors).reshape(-1)


def head_pose(landmarks: ArrayLike, *, aspect: ArrayLike = 1.0) -> Array:
    """How the head is turned, which the definition `paper` takes out.

    Args:
        landmarks: [T, 478, 3] or [T, 11, 3] (Table 1's points), in MediaPipe's coordinates.
        aspect: image height / width.

    Returns:
        [T, 3] in degrees. Roll: the person's left eye goes down. Yaw: it goes away from the camera. Pitch: the face
        turns up, from what it was in frame 0 (the nose's length, which differs between people, would count otherwise).

    Raises:
        ValueError: for a wrong shape.
    """
    points = select(landmarks)
    aspect = jnp.asarray(aspect, points.dtype)
    x, y, z = _pose.pose(_pose.metric(points, aspect)).axes
    pitch = jnp.arctan2(-y[2], z[2])
    return jnp.degrees(
        jnp.stack([jnp.arctan2(x[1], x[0]), jnp.arctan2(x[2], jnp.hypot(x[0], x[1])), pitch - pitch[0]], 1)
    )

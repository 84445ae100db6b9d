"""D-Markers: 225 handcrafted features of how a smile moves (paper section 3.2, Tables 1 and 2, eqs. 5-7).

Pure functions of one sequence, on jax alone: jit them, vmap them over a batch, differentiate them.

    features = jax.jit(jax.vmap(dmarkers.compute))(landmarks, fps)   # [B, T, 478, 3], [B] -> [B, 225]
"""

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from dfuse_jax.dmarkers import phases as _phases
from dfuse_jax.dmarkers import signals as _signals
from dfuse_jax.dmarkers.features import FEATURE_NAMES, VALUES, describe
from dfuse_jax.dmarkers.phases import PHASES
from dfuse_jax.dmarkers.points import LANDMARKS, select
from dfuse_jax.dmarkers.signals import REGIONS, Signals
from dfuse_jax.dmarkers.smoothing import smooth_4253h_twice

__all__ = ["FEATURE_NAMES", "LANDMARKS", "PHASES", "REGIONS", "VALUES", "Signals", "compute", "phases", "signals"]

DEFINITIONS = ("paper", "authors")
SMOOTHINGS = (None, "4253H")


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
    length = jnp.asarray(points.shape[0] if length is None else length)
    # Padding becomes frame 0: whatever it held, NaN included, it can reach neither a value nor a gradient.
    points = jnp.where((jnp.arange(points.shape[0]) < length)[:, None, None], points, points[0])
    result = getattr(_signals, definition)(points, jnp.asarray(aspect, points.dtype))
    if smoothing is None:
        return result
    return result._replace(mean=jax.vmap(smooth_4253h_twice, (0, None))(result.mean, length))


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
    return _phases.find(lip, length, overshoot=definition == "authors")


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
    found = signals(landmarks, length=length, aspect=aspect, definition=definition, smoothing=smoothing)
    authors = definition == "authors"
    frames = phases(found.mean[REGIONS.index("lip")], length=length, definition=definition)
    rate = jnp.asarray(1.0 if authors else fps, found.mean.dtype)

    def of_region(mean, right, left):
        return jax.vmap(lambda phase: describe(mean, right, left, phase, rate, authors=authors))(frames)

    return jax.vmap(of_region)(*found).reshape(-1)

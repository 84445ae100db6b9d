"""Checks of an input, made before anything is computed from it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import jax
import numpy as np

from dfuse_jax.constants import NUM_LANDMARKS
from dfuse_jax.dmarkers._points import LANDMARKS, check_shape

if TYPE_CHECKING:
    from jax import Array
    from jax.typing import ArrayLike
    from jaxtyping import Float
    from numpy.typing import ArrayLike as NumPyArrayLike


def validate(
    landmarks: Float[NumPyArrayLike, "frames points 3"],
    fps: float,
    *,
    length: int | None = None,
    aspect: float = 1.0,
) -> None:
    """Raises ValueError if D-Markers of one sequence cannot be computed; for concrete values, outside `jax.jit`.

    Args:
        landmarks: [T, 478, 3] or [T, 11, 3] (Table 1's points).
        fps: frames per second.
        length: how many of the T frames count (default: all). What the others hold is not checked.
        aspect: image height / width.

    Raises:
        ValueError: a wrong shape; a frame rate or an aspect that is not a positive number; a length that is not in 1 to
            T; a coordinate that is NaN or infinite, with the first such frame and landmark.
    """
    landmarks = np.asarray(landmarks)
    check_shape(landmarks.shape)
    frames = len(landmarks)
    if not _is_positive(fps):
        raise ValueError(f"the frame rate is {fps}, expected a positive number of frames per second.")
    if not _is_positive(aspect):
        raise ValueError(f"the aspect is {aspect}, expected a positive number, image height / width.")
    if length is not None and not (np.ndim(length) == 0 and 1 <= length <= frames):
        raise ValueError(f"the length is {length}, expected 1 to {frames}, the number of frames.")
    finite = np.all(np.isfinite(landmarks[:length]), axis=-1)
    if not finite.all():
        frame, point = np.argwhere(~finite)[0]
        whole_mesh = landmarks.shape[1] == NUM_LANDMARKS
        name = f"landmark {point}" if whole_mesh else f"point {point + 1} (landmark {LANDMARKS[point]})"
        raise ValueError(
            f"frame {frame}: {name} is {landmarks[frame, point].tolist()}, expected finite x, y, z "
            f"({np.count_nonzero(~finite.all(axis=-1))} of {finite.shape[0]} frames have such points)."
        )


def _is_positive(value: float) -> bool:
    return np.ndim(value) == 0 and math.isfinite(value) and value > 0


def put_number(name: str, value: ArrayLike) -> Array:
    """Puts one number onto the device, explicitly, so that `jax.transfer_guard("disallow")` lets it pass.

    Raises:
        ValueError: for a value that is not one number.
    """
    if np.ndim(value) != 0:
        raise ValueError(f"{name} has shape {np.shape(value)}, expected one number; use jax.vmap or compute_batch.")
    return value if isinstance(value, jax.Array) else jax.device_put(np.asarray(value))

"""What is wrong with an input, said before anything is computed from it."""

import math

import numpy as np

from dfuse_jax.dmarkers._points import LANDMARKS, check_shape


def validate(landmarks, fps: float, *, length: int | None = None) -> None:
    """Raises ValueError if D-Markers of one sequence cannot be computed; for concrete values, outside `jax.jit`.

    Args:
        landmarks: [T, 478, 3] or [T, 11, 3] (Table 1's points).
        fps: frames per second.
        length: how many of the T frames count (default: all). What the others hold is not looked at.

    Raises:
        ValueError: a wrong shape; a frame rate that is not a positive number; a length that is not in 1 to T; a
            coordinate that is NaN or infinite, with the first such frame and landmark.
    """
    landmarks = np.asarray(landmarks)
    check_shape(landmarks.shape)
    frames = len(landmarks)
    if np.ndim(fps) != 0 or not (math.isfinite(fps) and fps > 0):
        raise ValueError(f"the frame rate is {fps}, expected a positive number of frames per second.")
    if length is not None and not (np.ndim(length) == 0 and 1 <= length <= frames):
        raise ValueError(f"the length is {length}, expected 1 to {frames}, the number of frames.")
    bad = ~np.isfinite(landmarks[:length]).all(axis=-1)
    if bad.any():
        frame, point = np.argwhere(bad)[0]
        name = f"landmark {point}" if landmarks.shape[1] == 478 else f"point {point + 1} (landmark {LANDMARKS[point]})"
        raise ValueError(
            f"frame {frame}: {name} is {landmarks[frame, point].tolist()}, expected finite x, y, z "
            f"({bad.any(axis=1).sum()} of {len(bad)} frames have such points)."
        )


def check_scalars(**values) -> None:
    """Raises ValueError for a named value that is given (not None) and is not one number."""
    for name, value in values.items():
        if value is not None and np.ndim(value) != 0:
            raise ValueError(f"{name} has shape {np.shape(value)}, expected one number; use jax.vmap for a batch.")

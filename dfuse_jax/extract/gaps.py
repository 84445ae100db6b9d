"""Frames without a face, and frames that are not evenly spaced: filled in between their neighbours, and flagged."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

# A blink takes 0.1 to 0.4 s and a smile's onset about 0.5 s: what is lost for longer was not seen, and is not made up.
MAX_RUN = 5  # interpolated frames in a row
MAX_SHARE = 0.1  # of all frames


def fill(
    landmarks: Sequence[Float[np.ndarray, "478 3"] | None], positions: Float[np.ndarray, " frames"]
) -> tuple[Float[np.ndarray, "grid 478 3"], tuple[int, ...]]:
    """Interpolates landmarks on an even grid of frames, linearly in time; before the first face and after the last one
    these are held.

    Args:
        landmarks: T times [478, 3], or None where no face was found; one at least was.
        positions: [T], rising, from 0: where on the grid they are; a frame that lies on it is not changed.

    Returns:
        [N, 478, 3] float32, and the interpolated ones of the N frames: no face was found within half a frame of them.
    """
    with_face = [index for index, points in enumerate(landmarks) if points is not None]
    known = np.stack([points for points in landmarks if points is not None])
    at = positions[with_face]
    grid = np.arange(np.floor(positions[-1] + 1e-6) + 1)
    left = np.clip(np.searchsorted(at, grid, side="right") - 1, 0, None)
    right = np.minimum(left + 1, len(at) - 1)
    distance = at[right] - at[left]
    weight = np.clip((grid - at[left]) / np.where(distance > 0, distance, 1), 0, 1).astype(np.float32)
    filled = known[left] + weight[:, None, None] * (known[right] - known[left])
    nearest = np.minimum(np.abs(grid - at[left]), np.abs(grid - at[right]))
    return filled, tuple(np.flatnonzero(nearest > 0.5 + 1e-6).tolist())


def too_many(interpolated: Sequence[int], frames: int) -> bool:
    """Returns whether more frames are missing than may be filled in: MAX_RUN in a row, MAX_SHARE of all."""
    runs = np.split(np.asarray(interpolated), np.flatnonzero(np.diff(interpolated) > 1) + 1)
    return len(interpolated) > MAX_SHARE * frames or max(map(len, runs)) > MAX_RUN

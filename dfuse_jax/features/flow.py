"""Dense optical flow (iterative Lucas-Kanade), by scikit-image."""

import functools
import itertools

import numpy as np
from jaxtyping import Float, Num

from dfuse_jax.features import cache
from dfuse_jax.features.skimage import require

RADIUS = 7  # of the window, in pixels


def dense_flow(
    pictures: Num[np.ndarray, "frames height width"], *, radius: int = RADIUS
) -> Float[np.ndarray, "steps 2 height width"]:
    """Returns how far each pixel moves from one grey picture to the next, (x, y) in pixels, one step fewer than frames.

    What was computed once is kept, see `cache`.

    Raises:
        UserError: scikit-image is not installed.
        ValueError: there are fewer than 2 pictures, or they are not grey.
    """
    pictures = np.asarray(pictures)
    if pictures.ndim != 3 or len(pictures) < 2:
        raise ValueError(f"pictures have shape {pictures.shape}, expected [frames, height, width], 2 frames at least.")
    return cache.cached(f"flow-{radius}", pictures, functools.partial(_flow, radius=radius))


def _flow(
    pictures: Num[np.ndarray, "frames height width"], *, radius: int
) -> Float[np.ndarray, "steps 2 height width"]:
    registration = require("registration")
    steps = []
    for before, after in itertools.pairwise(pictures):
        if np.array_equal(before, after):
            steps.append(np.zeros((2, *before.shape), np.float32))
            continue
        down, right = registration.optical_flow_ilk(before.astype(np.float32), after.astype(np.float32), radius=radius)
        steps.append(np.stack([right, down]))
    return np.nan_to_num(np.stack(steps), nan=0.0, posinf=0.0, neginf=0.0).astype(np.float32)

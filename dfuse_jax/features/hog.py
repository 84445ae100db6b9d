"""Histograms of oriented gradients (N. Dalal, B. Triggs, CVPR 2005), by scikit-image."""

import numpy as np
from jaxtyping import Float, Num

from dfuse_jax.features import cache
from dfuse_jax.features.skimage import require

ORIENTATIONS, CELL, BLOCK = 9, 8, 2  # pixels a cell, cells a block


def hog(pictures: Num[np.ndarray, "frames height width"]) -> Float[np.ndarray, "frames features"]:
    """Returns the descriptor of every grey picture: 9 unsigned orientations, 8x8 cells, 2x2 blocks, L2-Hys (0.2).

    Of 128x128 pixels it has 15 x 15 x 36 = 8,100 values. What was computed once is kept, see `cache`.

    Raises:
        UserError: scikit-image is not installed.
        ValueError: the pictures are smaller than a block.
    """
    pictures = np.asarray(pictures)
    if pictures.ndim != 3 or min(pictures.shape[1:]) < CELL * BLOCK:
        raise ValueError(
            f"pictures have shape {pictures.shape}, expected [frames, height, width], {CELL * BLOCK} pixels at least."
        )
    return cache.cached("hog", pictures, _hog)


def _hog(pictures: Num[np.ndarray, "frames height width"]) -> Float[np.ndarray, "frames features"]:
    feature = require("feature")
    return np.stack(
        [
            feature.hog(
                picture.astype(float),
                orientations=ORIENTATIONS,
                pixels_per_cell=(CELL, CELL),
                cells_per_block=(BLOCK, BLOCK),
                block_norm="L2-Hys",
            )
            for picture in pictures
        ]
    ).astype(np.float32)

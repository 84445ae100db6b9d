"""What tests look for in a figure."""

import numpy as np


def pixels_of_colour(image: np.ndarray, colour: str) -> int:
    """Returns the number of pixels of a colour, such as "#0072B2"."""
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return int((np.abs(image[..., :3] - rgb).max(axis=-1) < 0.02).sum())

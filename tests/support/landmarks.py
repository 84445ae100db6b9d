"""Measures of faces, from their landmarks alone."""

import numpy as np

RIGHT_EYE, LEFT_EYE = (33, 133), (362, 263)


def distance(sample, a, b):
    """[T]: between two landmarks in space, in eye distances; turning, moving or scaling the head leaves it."""
    points = sample.landmarks * (1, sample.aspect, 1)
    eyes = points[:, RIGHT_EYE].mean(axis=1) - points[:, LEFT_EYE].mean(axis=1)
    return np.linalg.norm(points[:, a] - points[:, b], axis=-1) / np.linalg.norm(eyes, axis=-1)

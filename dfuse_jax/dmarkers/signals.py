"""The three signals of a smile over time: eye aperture, cheek elevation, lip corners (eqs. 5-7)."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from dfuse_jax.dmarkers.pose import norm, normalise, ratio

REGIONS = ("eye", "cheek", "lip")


class Signals(NamedTuple):
    """D, D_R and D_L of the three regions, each [3, T] in the order of REGIONS, without a unit."""

    mean: Array
    right: Array
    left: Array


def _middle(points: Array, a: int, b: int) -> Array:
    """Midpoint of the paper's p_a and p_b: [T, 3]."""
    return (points[:, a - 1] + points[:, b - 1]) / 2


def _aperture(centre: Array, lid: Array) -> Array:
    """Gamma * gamma of eq. 6: the lid's distance, negative when it lies below the corners' midpoint (y points down)."""
    return jnp.where(lid[:, 1] > centre[:, 1], -1, 1) * norm(lid - centre)


def _sides(right: tuple, left: tuple) -> Signals:
    right, left = jnp.stack(right), jnp.stack(left)
    return Signals((right + left) / 2, right, left)


def paper(points: Array, aspect: Array) -> Signals:
    """Eqs. 5-7 in 3-D after removing the head pose.

    Args:
        points: [T, 11, 3] in MediaPipe's coordinates.
        aspect: image height / width; brings y to the scale of x and z.
    """
    p = normalise(points * jnp.stack([jnp.ones_like(aspect), aspect, jnp.ones_like(aspect)]).astype(points.dtype))
    # Eq. 6 is relative to the current frame's eye, eqs. 5 and 7 to the first frame's mouth and cheeks.
    eye = norm(p[:, 0] - p[:, 2])
    cheek, cheeks = _middle(p, 7, 8)[0], norm(p[0, 6] - p[0, 7])
    lip, lips = _middle(p, 10, 11)[0], norm(p[0, 9] - p[0, 10])
    return _sides(
        (
            ratio(_aperture(_middle(p, 1, 3), p[:, 1]), eye),
            ratio(norm(p[:, 6] - cheek), cheeks),
            ratio(norm(p[:, 9] - lip), lips),
        ),
        (
            ratio(_aperture(_middle(p, 4, 6), p[:, 4]), eye),
            ratio(norm(p[:, 7] - cheek), cheeks),
            ratio(norm(p[:, 10] - lip), lips),
        ),
    )


def authors(points: Array, aspect: Array) -> Signals:
    """The published code's signals: x and y of min-max scaled points as they come, without a pose step."""
    del aspect  # the published code does not know the image's size
    p = points[..., :2]
    right, left, lip = _middle(p, 1, 3), _middle(p, 4, 6), _middle(p, 10, 11)
    eye, lips = norm(p[0, 0] - p[0, 2]), norm(p[0, 9] - p[0, 10])
    return _sides(
        (
            ratio(_aperture(right, p[:, 1]), eye),
            ratio(norm(p[:, 6] - right), eye),
            ratio(norm(p[:, 9] - lip), lips),
        ),
        (
            ratio(_aperture(left, p[:, 4]), eye),
            ratio(norm(p[:, 7] - left), eye),
            ratio(norm(p[:, 10] - lip), lips),
        ),
    )

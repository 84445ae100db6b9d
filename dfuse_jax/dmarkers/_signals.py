"""The three signals of a smile over time: eye aperture, cheek elevation, lip corners (eqs. 5-7)."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from dfuse_jax.dmarkers import _pose
from dfuse_jax.dmarkers._pose import Pose, Vector, above, between, dot, middle, norm, ratio

REGIONS = ("eye", "cheek", "lip")


class Signals(NamedTuple):
    """D, D_R and D_L of the three regions, each [3, T] in the order of REGIONS, without a unit."""

    mean: Array
    right: Array
    left: Array


def _sides(*regions: tuple[Array, Array]) -> Signals:
    """From (right, left) of every region."""
    right, left = (jnp.stack(side) for side in zip(*regions, strict=True))
    return Signals((right + left) / 2, right, left)


def _first(a: Vector) -> Vector:
    return tuple(x[:1] for x in a)


def _signed(lid: Vector, down: Array) -> Array:
    """Gamma * gamma of eq. 6: the lid's distance, negative when it lies below the corners' midpoint."""
    return jnp.where(down > 0, -1, 1) * norm(lid)


def _apertures(head: Pose) -> tuple[Array, Array]:
    """Eq. 6. Both eyes are measured by the right one's width in the same frame: of the pose only y matters."""
    width = jnp.where(head.width > 0, above(norm(between(head.of(1), head.of(3))), _pose.NEAR), 0)
    lids = [
        between(middle(head.of(outer), head.of(inner)), head.of(lid)) for outer, lid, inner in ((1, 2, 3), (4, 5, 6))
    ]
    right, left = (ratio(_signed(lid, dot(head.axes[1], lid)), width) for lid in lids)
    return right, left


def _travels(head: Pose, right: int, left: int) -> tuple[Array, Array]:
    """Eqs. 5 and 7: distances from the first frame's midpoint, by the first frame's distance of the two points."""
    right, left = head.facing(right), head.facing(left)
    rest = middle(_first(right), _first(left))
    apart = above(norm(between(_first(right), _first(left))), 100 * _pose.NEAR)
    return ratio(norm(between(rest, right)), apart), ratio(norm(between(rest, left)), apart)


def paper(points: Array, aspect: Array) -> Signals:
    """Eqs. 5-7 in 3-D after removing the head pose.

    Args:
        points: [T, 11, 3] in MediaPipe's coordinates.
        aspect: image height / width; brings y to the scale of x and z.
    """
    head = _pose.pose(_pose.metric(points, aspect))
    return _sides(_apertures(head), _travels(head, 7, 8), _travels(head, 10, 11))


def authors(points: Array, aspect: Array) -> Signals:
    """The published code's signals: x and y of min-max scaled points as they come, without a pose step."""
    del aspect  # the published code does not know the image's size
    p = [None, *(tuple(point) for point in jnp.transpose(points[..., :2], (1, 2, 0)))]
    right, left, lip = middle(p[1], p[3]), middle(p[4], p[6]), middle(p[10], p[11])
    eye, lips = (above(norm(_first(between(p[a], p[b]))), _pose.NEAR) for a, b in ((1, 3), (10, 11)))
    to = lambda start, end: norm(between(start, p[end]))  # noqa: E731
    lids = [between(right, p[2]), between(left, p[5])]
    return _sides(
        tuple(ratio(_signed(lid, lid[1]), eye) for lid in lids),
        (ratio(to(right, 7), eye), ratio(to(left, 8), eye)),
        (ratio(to(lip, 10), lips), ratio(to(lip, 11), lips)),
    )

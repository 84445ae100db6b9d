"""The three signals of a smile over time: eye aperture, cheek elevation, lip corners (eqs. 5-7)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax.numpy as jnp
from jax import Array

from dfuse_jax.dmarkers._pose import NEAR, Pose, between, dot, metric, midpoint, norm, pose, ratio, zero_below

if TYPE_CHECKING:
    from jax.typing import ArrayLike
    from jaxtyping import Float

    from dfuse_jax.dmarkers._pose import Vector

    Sides = tuple[Float[Array, " frames"], Float[Array, " frames"]]  # of the person's right and left

REGIONS = ("eye", "cheek", "lip")


class Signals(NamedTuple):
    """D, D_R and D_L of the three regions, each [3, T] in the order of REGIONS, without a unit."""

    mean: Float[Array, "3 frames"]
    right: Float[Array, "3 frames"]
    left: Float[Array, "3 frames"]


def paper(points: Float[Array, "frames 11 3"], aspect: ArrayLike) -> Signals:
    """Computes eqs. 5-7 in space, after removing the head pose.

    Args:
        points: [T, 11, 3] in MediaPipe's coordinates.
        aspect: image height / width; brings y to the scale of x and z.
    """
    head = pose(metric(points, aspect))
    return _join(
        eye=_apertures(head),
        cheek=_movements(right=head.in_face(7), left=head.in_face(8)),
        lip=_movements(right=head.in_face(10), left=head.in_face(11)),
    )


def robust(points: Float[Array, "frames 11 3"], aspect: ArrayLike) -> Signals:
    """Computes eqs. 5 and 7, and instead of eq. 6 the signed height of each lid over its own eye's width.

    Gamma of eq. 6 turns the sign of a distance that is not 0, as a lid bulges forward of its corners, so that signal
    jumps. The height above the corners along the face's vertical does not.

    Args:
        points: [T, 11, 3] in MediaPipe's coordinates.
        aspect: image height / width; brings y to the scale of x and z.
    """
    head = pose(metric(points, aspect))
    return _join(
        eye=(_lid_height(head, outer=1, lid=2, inner=3), _lid_height(head, outer=6, lid=5, inner=4)),
        cheek=_movements(right=head.in_face(7), left=head.in_face(8)),
        lip=_movements(right=head.in_face(10), left=head.in_face(11)),
    )


def authors(points: Float[Array, "frames 11 3"], aspect: ArrayLike) -> Signals:
    """Computes the published code's signals: x and y of min-max scaled points as they are, without a pose step."""
    del aspect  # the published code does not know the image's size
    usable = jnp.isfinite(points).all(axis=(1, 2), keepdims=True)
    points = jnp.where(usable, points, jnp.nan)
    p = [(), *(tuple(point) for point in jnp.transpose(points[..., :2], (1, 2, 0)))]
    right_eye, left_eye, mouth = midpoint(p[1], p[3]), midpoint(p[4], p[6]), midpoint(p[10], p[11])
    eye_width = zero_below(norm(_first_frame(between(p[1], p[3]))), NEAR)
    mouth_width = zero_below(norm(_first_frame(between(p[10], p[11]))), NEAR)
    right_lid, left_lid = between(right_eye, p[2]), between(left_eye, p[5])
    right_cheek, left_cheek = between(right_eye, p[7]), between(left_eye, p[8])
    right_corner, left_corner = between(mouth, p[10]), between(mouth, p[11])
    return _join(
        eye=(
            ratio(_signed_norm(right_lid, down=right_lid[1]), eye_width),
            ratio(_signed_norm(left_lid, down=left_lid[1]), eye_width),
        ),
        cheek=(ratio(norm(right_cheek), eye_width), ratio(norm(left_cheek), eye_width)),
        lip=(ratio(norm(right_corner), mouth_width), ratio(norm(left_corner), mouth_width)),
    )


def _join(*, eye: Sides, cheek: Sides, lip: Sides) -> Signals:
    right, left = (jnp.stack(side) for side in zip(eye, cheek, lip, strict=True))
    return Signals(mean=(right + left) / 2, right=right, left=left)


def _apertures(head: Pose) -> Sides:
    """Computes eq. 6. Both eyes are measured by the right one's width in that frame; "below" is down the vertical."""
    outer_right, right_lid, inner_right = head.in_image(1), head.in_image(2), head.in_image(3)
    inner_left, left_lid, outer_left = head.in_image(4), head.in_image(5), head.in_image(6)
    width = zero_below(norm(between(outer_right, inner_right)), NEAR)
    width = jnp.where(head.width <= 0, 0, width)
    right = between(midpoint(outer_right, inner_right), right_lid)
    left = between(midpoint(inner_left, outer_left), left_lid)
    down = head.vertical
    return (
        ratio(_signed_norm(right, down=dot(down, right)), width),
        ratio(_signed_norm(left, down=dot(down, left)), width),
    )


def _lid_height(head: Pose, *, outer: int, lid: int, inner: int) -> Float[Array, " frames"]:
    """Returns how far a lid stands above the midpoint of its eye's corners, over that eye's width in the same frame."""
    corners = head.in_image(outer), head.in_image(inner)
    width = zero_below(norm(between(*corners)), NEAR)
    width = jnp.where(head.width <= 0, 0, width)
    return ratio(-dot(head.vertical, between(midpoint(*corners), head.in_image(lid))), width)


def _signed_norm(lid: Vector, *, down: Array) -> Array:
    """Returns Gamma times gamma of eq. 6: the lid's distance, negative when it lies below the corners' midpoint."""
    return jnp.where(down > 0, -1, 1) * norm(lid)


def _movements(*, right: Vector, left: Vector) -> Sides:
    """Computes eqs. 5 and 7: distances from the first frame's midpoint, over the first frame's distance of the two."""
    first_right, first_left = _first_frame(right), _first_frame(left)
    rest = midpoint(first_right, first_left)
    apart = zero_below(norm(between(first_right, first_left)), 100 * NEAR)
    return ratio(norm(between(rest, right)), apart), ratio(norm(between(rest, left)), apart)


def _first_frame(a: Vector) -> Vector:
    return tuple(x[:1] for x in a)

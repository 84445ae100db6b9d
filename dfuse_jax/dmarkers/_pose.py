"""Head pose: roll, yaw and pitch, translation and scale, which are taken out of every frame (section 3.2).

A vector over time is a tuple of its x, y and z, [T] each: time is the last axis of every array, which the CPU
vectorises over, and no small matrix product is left to a library. NaN passes through every function.
"""

from __future__ import annotations

import functools
import math
import operator
from typing import TYPE_CHECKING, NamedTuple

import jax.numpy as jnp
from jax import Array, lax

if TYPE_CHECKING:
    from jax.typing import ArrayLike, DTypeLike
    from jaxtyping import Float

    Vector = tuple[Float[Array, " frames"], ...]

# The angle between the face's vertical and the line from the eyes' middle to the nose tip, in MediaPipe's canonical
# face model (points 33, 133, 362, 263 and 1).
TILT = math.radians(46.9)
NEAR = 1e-6  # distances below this share of the head's size (or of the eyes' distance) are rounding: they count as 0


class Pose(NamedTuple):
    """The head in every frame, in units of its own size, and its own axes.

    Attributes:
        points: [11, 3, T], Table 1's points; the longest side of the box around them is 1.
        centre: the point halfway between the eyes.
        axes: three vectors of length 1: x from the right eye to the left, y from the eyes to the nose tip, z out of
            the plane of both. Where a head has no pose they are 0.
        width: [T], the distance of the eyes' centres in units of the head, 0 where it has no pose.
    """

    points: Float[Array, "11 3 frames"]
    centre: Vector
    axes: tuple[Vector, Vector, Vector]
    width: Float[Array, " frames"]

    @property
    def vertical(self) -> Vector:
        """The direction down the face: y turned by TILT about x, away from the nose; 0 where a head has no pose."""
        _, y, z = self.axes
        return tuple(math.cos(TILT) * b + math.sin(TILT) * c for b, c in zip(y, z, strict=True))

    def in_image(self, number: int) -> Vector:
        """Returns the paper's p_number along the image's axes."""
        return tuple(self.points[number - 1])

    def in_face(self, number: int) -> Vector:
        """Returns the paper's p_number with the pose taken out: about `centre`, along `axes`, the eyes 100 apart."""
        arm = between(self.centre, self.in_image(number))
        return tuple(ratio(100 * dot(axis, arm), self.width) for axis in self.axes)


def dot(a: Vector, b: Vector) -> Float[Array, " frames"]:
    """Returns the scalar product of two vectors."""
    return functools.reduce(operator.add, (x * y for x, y in zip(a, b, strict=True)))


def cross(a: Vector, b: Vector) -> Vector:
    """Returns the vector product of two vectors in space."""
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def between(a: Vector, b: Vector) -> Vector:
    """Returns b - a."""
    return tuple(y - x for x, y in zip(a, b, strict=True))


def midpoint(a: Vector, b: Vector) -> Vector:
    """Returns the point halfway between two points."""
    return tuple((x + y) / 2 for x, y in zip(a, b, strict=True))


def square_root(x: Array) -> Array:
    """Returns the square root, with value and gradient 0 (not NaN) where x is not positive."""
    absent = x <= 0
    return jnp.where(absent, 0, jnp.sqrt(jnp.where(absent, 1, x)))


def norm(a: Vector) -> Float[Array, " frames"]:
    """Returns the Euclidean length, gamma of eqs. 5-7, with gradient 0 (not NaN) at zero."""
    return square_root(dot(a, a))


def ratio(numerator: Array, denominator: Array) -> Array:
    """Returns numerator / denominator, and 0 where the denominator is not positive."""
    absent = denominator <= 0
    return jnp.where(absent, 0, numerator / jnp.where(absent, 1, denominator))


def zero_below(distance: Array, least: float) -> Array:
    """Returns the distance, and 0 where it is not more than `least`."""
    return jnp.where(distance <= least, 0, distance)


def positive(value: ArrayLike, dtype: DTypeLike) -> Float[Array, ""]:
    """Returns a frame rate or an aspect of this type, and NaN if it is not positive and finite."""
    value = jnp.asarray(value, dtype)
    return jnp.where((value > 0) & jnp.isfinite(value), value, jnp.nan)


def metric(points: Float[Array, "frames 11 3"], aspect: ArrayLike) -> Float[Array, "frames 11 3"]:
    """Brings y of MediaPipe's coordinates, a fraction of the image's height, to the scale of x and z."""
    aspect = positive(aspect, points.dtype)
    one = jnp.ones_like(aspect)
    return points * jnp.stack([one, aspect, one])[None, None]


def pose(points: Float[Array, "frames 11 3"]) -> Pose:
    """Finds the head's pose in every frame.

    A head whose eyes coincide, or whose nose tip is in line with them (to NEAR of its size), has no pose.

    Args:
        points: [T, 11, 3] on one scale in all three axes (y times height / width of the image).
    """
    points = jnp.transpose(points, (1, 2, 0)) / 2  # halves: differences of very large coordinates would overflow
    # Unit size, or their squares would overflow, or vanish. It cancels later, so no gradient need pass through it.
    sides = functools.reduce(jnp.maximum, points) - functools.reduce(jnp.minimum, points)  # jnp.max may pass over NaN
    size = lax.stop_gradient(functools.reduce(jnp.maximum, sides))
    # A coordinate that is NaN or infinite makes the size so, which here makes the whole frame NaN.
    size = jnp.where(jnp.isfinite(size), size, jnp.nan)
    points = points / jnp.where(size <= 0, jnp.inf, size)[None, None]
    outer_right, _, inner_right, inner_left, _, outer_left = (tuple(point) for point in points[:6])
    nose = tuple(points[8])
    right, left = midpoint(outer_right, inner_right), midpoint(inner_left, outer_left)
    centre, across = midpoint(right, left), between(right, left)
    width = zero_below(norm(across), NEAR)
    x = tuple(ratio(c, width) for c in across)
    normal = cross(x, between(centre, nose))
    depth = zero_below(norm(normal), NEAR)
    z = tuple(ratio(c, depth) for c in normal)
    y = cross(z, x)
    absent = depth <= 0
    x = tuple(jnp.where(absent, 0, c) for c in x)
    return Pose(points=points, centre=centre, axes=(x, y, z), width=jnp.where(absent, 0, width))

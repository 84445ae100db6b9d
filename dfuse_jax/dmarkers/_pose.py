"""Head pose: roll, yaw and pitch, translation and scale taken out of every frame (section 3.2).

A vector over time is a tuple of its x, y and z, [T] each: time is the last axis of every array, which the CPU
vectorises over, and no small matrix product is left to a library.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array, lax

Vector = tuple[Array, ...]
NEAR = 1e-6  # distances below this share of the head's size (or of the eyes' distance) are rounding: they count as 0


class Pose(NamedTuple):
    """The head in every frame, in units of its own size, and its own axes.

    Attributes:
        points: [11, 3, T], Table 1's points; the longest side of the box around them is 1.
        middle: of the eyes.
        axes: three vectors of length 1: x from the right eye to the left, y down the face, z out of the plane of eyes
            and nose tip. Where a head has no pose they are 0.
        width: [T], the distance of the eyes' centres in units of the head, 0 where it has no pose.
    """

    points: Array
    middle: Vector
    axes: tuple[Vector, Vector, Vector]
    width: Array

    def of(self, p: int) -> Vector:
        """The paper's p_p along the image's axes."""
        return tuple(self.points[p - 1])

    def facing(self, p: int) -> Vector:
        """The paper's p_p as the paper uses it: about `middle`, along the head's axes, the eyes' centres 100 apart."""
        arm = between(self.middle, self.of(p))
        return tuple(ratio(100 * dot(axis, arm), self.width) for axis in self.axes)


def dot(a: Vector, b: Vector) -> Array:
    """Scalar product of two vectors: [T]."""
    return sum(x * y for x, y in zip(a, b, strict=True))


def cross(a: Vector, b: Vector) -> Vector:
    """Vector product of two vectors in space."""
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def between(a: Vector, b: Vector) -> Vector:
    """b - a."""
    return tuple(y - x for x, y in zip(a, b, strict=True))


def middle(a: Vector, b: Vector) -> Vector:
    """The point halfway between two."""
    return tuple((x + y) / 2 for x, y in zip(a, b, strict=True))


def root(x: Array) -> Array:
    """Square root, with value and gradient 0 (not NaN) where x is not positive."""
    return jnp.where(x > 0, jnp.sqrt(jnp.where(x > 0, x, 1)), 0)


def norm(a: Vector) -> Array:
    """Euclidean length, gamma of eqs. 5-7, with gradient 0 (not NaN) at zero."""
    return root(dot(a, a))


def ratio(numerator: Array, denominator: Array) -> Array:
    """numerator / denominator, and 0 where the denominator is not positive."""
    positive = denominator > 0
    return jnp.where(positive, numerator / jnp.where(positive, denominator, 1), 0)


def above(distance: Array, least: float) -> Array:
    """The distance, and 0 where it is not more than `least`."""
    return jnp.where(distance > least, distance, 0)


def metric(points: Array, aspect: Array) -> Array:
    """MediaPipe's coordinates [T, 11, 3] with y (a fraction of the image's height) brought to the scale of x and z."""
    one = jnp.ones_like(aspect)
    return points * jnp.stack([one, aspect, one])


def pose(points: Array) -> Pose:
    """The head's pose in every frame.

    A head whose eyes coincide, or whose nose tip is in line with them (to NEAR of its size), has no pose.

    Args:
        points: [T, 11, 3] on one scale in all three axes (y times height / width of the image).
    """
    points = jnp.transpose(points, (1, 2, 0)) / 2  # halves: differences of very large coordinates would overflow
    # Unit size, or their squares would overflow, or vanish. It cancels later, so no gradient need pass through it.
    size = lax.stop_gradient(jnp.max(jnp.max(points, axis=0) - jnp.min(points, axis=0), axis=0))
    points = points / jnp.where(size > 0, size, jnp.inf)
    p = [None, *(tuple(point) for point in points)]
    right, left = middle(p[1], p[3]), middle(p[4], p[6])
    centre, across = middle(right, left), between(right, left)
    width = above(norm(across), NEAR)
    x = tuple(ratio(c, width) for c in across)
    normal = cross(x, between(centre, p[9]))
    depth = above(norm(normal), NEAR)
    z = tuple(ratio(c, depth) for c in normal)
    y = cross(z, x)
    has = depth > 0
    return Pose(points, centre, (tuple(jnp.where(has, c, 0) for c in x), y, z), jnp.where(has, width, 0))

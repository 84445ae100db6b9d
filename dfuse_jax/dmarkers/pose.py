"""Head pose: roll, yaw and pitch, translation and scale taken out of every frame (section 3.2)."""

import jax.numpy as jnp
from jax import Array, lax


def norm(x: Array) -> Array:
    """Euclidean length over the last axis, gamma of eqs. 5-7, with gradient 0 (not NaN) at zero."""
    square = jnp.sum(x * x, axis=-1)
    positive = square > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, square, 1)), 0)


def ratio(numerator: Array, denominator: Array) -> Array:
    """numerator / denominator, and 0 where the denominator is not positive."""
    positive = denominator > 0
    return jnp.where(positive, numerator / jnp.where(positive, denominator, 1), 0)


def _unit(x: Array) -> Array:
    return ratio(x, norm(x)[..., None])


def normalise(points: Array) -> Array:
    """Table 1's points in a frame of reference fixed to the head.

    Origin midway between the eyes, x from the right eye to the left, y down the face, z out of the plane of eyes and
    nose tip; the eyes' centres are 100 apart. A head whose eyes coincide (to 1e-6 of its size) has no pose: all its
    points become 0.

    Args:
        points: [..., 11, 3] on one scale in all three axes (y times height / width of the image).

    Returns:
        [..., 11, 3], unchanged by rotating, moving or scaling the head.
    """
    right = (points[..., 0, :] + points[..., 2, :]) / 2
    left = (points[..., 3, :] + points[..., 5, :]) / 2
    middle = (right + left) / 2
    # Unit size first: squares of very large or very small coordinates would overflow or vanish. The size cancels
    # below, so no gradient need pass through it.
    size = lax.stop_gradient(jnp.max(jnp.abs(points - middle[..., None, :]), axis=(-2, -1), keepdims=True))
    points = ratio(points - middle[..., None, :], size)
    across = ratio(left - right, size[..., 0])
    width = norm(across)
    width = jnp.where(width > 1e-6, width, 0)
    e_x = ratio(across, width[..., None])
    e_z = _unit(jnp.cross(e_x, points[..., 8, :]))
    e_y = jnp.cross(e_z, e_x)
    axes = jnp.stack([e_x, e_y, e_z], axis=-2)
    return ratio(100 * jnp.einsum("...ij,...pj->...pi", axes, points, precision="highest"), width[..., None, None])

"""Table 1: the 11 Attention Mesh landmarks from which the D-Markers are computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np

from dfuse_jax.constants import NUM_LANDMARKS

if TYPE_CHECKING:
    from typing import TypeVar

    from jax import Array
    from jaxtyping import Float, Num

    Points = TypeVar("Points", np.ndarray, Array)

# Paper's p1..p11, in its order: right eye (outer corner, centre, inner corner), left eye (the same, in the paper's
# words), cheeks (right, left), nose tip, lip corners (right, left).
LANDMARKS = (33, 159, 133, 362, 386, 263, 50, 280, 1, 62, 308)


def check_shape(shape: tuple[int, ...]) -> None:
    """Raises ValueError unless the shape is [T, 478, 3] or [T, 11, 3], T >= 1."""
    if len(shape) != 3 or shape[0] == 0 or shape[1] not in (NUM_LANDMARKS, len(LANDMARKS)) or shape[2] != 3:
        raise ValueError(
            f"landmarks have shape {tuple(shape)}, expected [T, {NUM_LANDMARKS}, 3] or [T, {len(LANDMARKS)}, 3] "
            "(Table 1's points) with T >= 1: one sequence; use jax.vmap or compute_batch for several."
        )


def select(landmarks: Points) -> Points:
    """Returns Table 1's points [T, 11, 3] of landmarks [T, 478, 3] or [T, 11, 3], in NumPy or JAX as they come."""
    return landmarks[:, np.array(LANDMARKS)] if landmarks.shape[1] == NUM_LANDMARKS else landmarks


def to_points(landmarks: Num[Array, "frames points 3"]) -> Float[Array, "frames 11 3"]:
    """Returns Table 1's points in floating point."""
    points = select(landmarks)
    return points if jnp.issubdtype(points.dtype, jnp.floating) else points.astype(float)

"""Table 1: the 11 Attention Mesh landmarks from which the D-Markers are computed."""

import jax.numpy as jnp
from jax import Array

# Paper's p1..p11, in its order: right eye (outer corner, centre, inner corner), left eye (the same, in the paper's
# words), cheeks (right, left), nose tip, lip corners (right, left).
LANDMARKS = (33, 159, 133, 362, 386, 263, 50, 280, 1, 62, 308)


def check_shape(shape: tuple[int, ...]) -> None:
    """Raises ValueError unless the shape is [T, 478, 3] or [T, 11, 3], T >= 1."""
    if len(shape) != 3 or shape[0] == 0 or tuple(shape[1:]) not in ((478, 3), (11, 3)):
        raise ValueError(
            f"landmarks have shape {tuple(shape)}, expected [T, 478, 3] or [T, 11, 3] (Table 1's points) with "
            "T >= 1: one sequence; use jax.vmap for a batch."
        )


def select(landmarks: Array) -> Array:
    """Table 1's points of one sequence.

    Args:
        landmarks: [T, 478, 3], or [T, 11, 3] already selected, T >= 1.

    Returns:
        [T, 11, 3], floating point.

    Raises:
        ValueError: for any other shape.
    """
    landmarks = jnp.asarray(landmarks)
    check_shape(landmarks.shape)
    if not jnp.issubdtype(landmarks.dtype, jnp.floating):
        landmarks = landmarks.astype(float)
    return landmarks if landmarks.shape[1] == 11 else landmarks[:, jnp.array(LANDMARKS)]

"""Pictures, grey or in colour."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # of red, green and blue (ITU-R BT.601)


def to_grey(pictures: Num[Array | np.ndarray, "frames height width *channels"]) -> Float[Array, "frames height width"]:
    """Returns the luma of RGB pictures, and grey pictures as they are, as floats.

    Raises:
        ValueError: they are neither.
    """
    pictures = jnp.asarray(pictures)
    if pictures.ndim == 3:
        return pictures.astype(float)
    if pictures.ndim == 4 and pictures.shape[-1] == 1:
        return pictures[..., 0].astype(float)
    if pictures.ndim != 4 or pictures.shape[-1] != 3:
        raise ValueError(f"pictures have shape {pictures.shape}, expected [frames, height, width] or [..., 3].")
    return pictures.astype(float) @ LUMA

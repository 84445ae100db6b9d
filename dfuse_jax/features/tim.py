"""Temporal interpolation (TIM): a video on another number of frames (Z. Zhou, G. Zhao, M. Pietikainen, CVPR 2011).

TIM embeds frames on a path graph and reads the curve at new instants. Where the frames are linearly independent, as
pictures are, that is cosine interpolation of every pixel over time.
"""

import functools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Num


def interpolate(frames: Num[Array | np.ndarray, "frames *shape"], count: int) -> Float[Array, "count *shape"]:
    """Returns `count` frames, evenly spaced from the first to the last.

    Raises:
        ValueError: there are no frames, or fewer than 2 are asked for.
    """
    frames = jnp.asarray(frames)
    weights = jnp.asarray(interpolation_weights(len(frames), count), jnp.result_type(float))
    return jnp.tensordot(weights, frames.astype(weights.dtype), 1)


@functools.lru_cache(maxsize=1024)
def interpolation_weights(frames: int, count: int) -> Float[np.ndarray, "count frames"]:
    """Returns the weight of every frame in every output.

    Output j is at u = j (n - 1) / (m - 1), where x(u) = sum_k a_k cos(pi k (u + 1/2) / n) with the coefficients of the
    discrete cosine transform, a_0 the mean and a_k = 2/n sum_i x_i cos(pi k (i + 1/2) / n).

    Args:
        frames: n, at least 1.
        count: m, at least 2.
    """
    if frames < 1 or count < 2:
        raise ValueError(f"{frames} frames cannot be interpolated to {count}: expected 1 and 2 at least.")
    places = np.linspace(0, frames - 1, count)
    order = np.arange(1, frames)
    at_places = np.cos(np.pi / frames * np.outer(places + 0.5, order))
    at_frames = np.cos(np.pi / frames * np.outer(order, np.arange(frames) + 0.5))
    weights = (1 + 2 * at_places @ at_frames) / frames
    weights.flags.writeable = False  # all callers share it
    return weights

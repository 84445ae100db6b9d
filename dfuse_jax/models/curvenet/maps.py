"""Maps of points with an activation, which the encoder's blocks begin and end with."""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from dfuse_jax.models.cloud import map_frames
from dfuse_jax.models.layers import LEAK, Drop, drop, leaky_relu
from dfuse_jax.models.norms import Affine


def activated_maps(
    inputs: Sequence[Float[Array, "frames points _"]],
    maps: Sequence[Affine],
    *,
    kernels: str,
    frames_at_once: int | None,
    slope: float = LEAK,
    residual: Float[Array, "frames points width"] | None = None,
    dropped: Drop | None = None,
) -> Float[Array, "frames points width"]:
    """Returns the LReLU of the sum of all inputs' maps and of the residual.

    Args:
        inputs: of one type.
        maps: one for each input.
        kernels: "plain" or "fused".
        frames_at_once: see `map_frames`.
        slope: `LEAK`, or 0 for ReLU.
        residual: None: there is none.
        dropped: what is dropped of a ReLU's values; None: nothing.
    """
    if kernels == "fused" and (dropped is None or len(maps[0].shift) % 4 == 0):
        from dfuse_jax.models.kernels.maps import activate  # imports Pallas, which the plain version does not need

        return activate(inputs, maps, slope=slope, residual=residual, drop=dropped)
    added = () if residual is None else (residual,)

    def apply(*arrays: Array) -> Array:
        mapped = [each(x) for each, x in zip(maps, arrays, strict=False)]
        total = functools.reduce(jnp.add, [*mapped, *arrays[len(maps) :]])
        return leaky_relu(total) if slope else nn.relu(total)

    return drop(map_frames(apply, *inputs, *added, frames_at_once=frames_at_once), dropped)

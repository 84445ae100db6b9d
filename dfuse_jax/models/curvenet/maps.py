"""Maps of points with an activation, which the encoder's blocks begin and end with."""

import functools
from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from dfuse_jax.models.cloud import map_frames
from dfuse_jax.models.layers import LEAK, Drop, drop, leaky_relu
from dfuse_jax.models.norms import Affine, BatchNorm, Moments


def normalised_maps(
    inputs: Sequence[Float[Array, "frames points _"]],
    maps: Sequence[Float[Array, "_ width"]],
    norms: Sequence[BatchNorm],
    moments: Sequence[Moments | None],
    *,
    kernels: str,
    frames_at_once: int | None,
    slope: float = LEAK,
    residual: Float[Array, "frames points width"] | None = None,
    dropped: Drop | None = None,
) -> Float[Array, "frames points width"]:
    """Returns the LReLU of the sum of all inputs' linear maps, each with its batch norm, and of the residual.

    Args:
        inputs: of one type.
        maps: one for each input.
        norms: likewise.
        moments: of each input in training, None otherwise.
        kernels: "plain" or "fused".
        frames_at_once: see `map_frames`.
        slope: `LEAK`, or 0 for ReLU.
        residual: None: there is none.
        dropped: what is dropped of a ReLU's values; None: nothing.
    """
    states = [norm.state(each.shape[-1]) for norm, each in zip(norms, maps, strict=True)]
    folded = [state.fold(each, of_input) for state, each, of_input in zip(states, maps, moments, strict=True)]
    for norm, (_, after), of_input in zip(norms, folded, moments, strict=True):
        if of_input is not None:
            norm.store(after)
    settings = {"slope": slope, "residual": residual}
    known = [of_input for of_input in moments if of_input is not None]
    if kernels == "fused" and len(known) == len(inputs) and _drops_fours(dropped, maps[0].shape[-1]):
        from dfuse_jax.models.kernels.maps import normalise_and_activate  # imports Pallas, as below

        return normalise_and_activate(inputs, maps, states, known, **settings, drop=dropped)
    affine = [each.astype(x.dtype) for (each, _), x in zip(folded, inputs, strict=True)]
    return activated_maps(inputs, affine, kernels=kernels, frames_at_once=frames_at_once, **settings, dropped=dropped)


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
    if kernels == "fused" and _drops_fours(dropped, len(maps[0].shift)):
        from dfuse_jax.models.kernels.maps import activate  # imports Pallas, which the plain version does not need

        return activate(inputs, maps, slope=slope, residual=residual, drop=dropped)
    added = () if residual is None else (residual,)

    def apply(*arrays: Array) -> Array:
        mapped = [each(x) for each, x in zip(maps, arrays, strict=False)]
        total = functools.reduce(jnp.add, [*mapped, *arrays[len(maps) :]])
        return leaky_relu(total) if slope else nn.relu(total)

    return drop(map_frames(apply, *inputs, *added, frames_at_once=frames_at_once), dropped)


def _drops_fours(dropped: Drop | None, width: int) -> bool:
    """Returns whether a kernel can drop what is dropped: four values share their random bits."""
    return dropped is None or width % 4 == 0

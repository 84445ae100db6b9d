"""Sizes of a model: its parameters, counted without running it, and the frames that a platform computes at once."""

import functools
import math
from collections.abc import Hashable, Mapping
from typing import cast

import flax.linen as nn
import jax
import jax.numpy as jnp

from dfuse_jax.constants import NUM_DMARKERS, NUM_LANDMARKS
from dfuse_jax.models.deepmarkernet import DeepMarkerNet
from dfuse_jax.models.dfusesmilenet import DFuseSmileNet

# Bytes of the edges computed at once: what a CPU's caches hold; where memory is fast, large steps, but not all of it.
CPU_CACHE, ACCELERATOR_MEMORY = 5 << 20, 1 << 30


def frames_at_once(model: DFuseSmileNet, platform: str, *, replicas: int = 1) -> int | None:
    """Returns how many frames a model best computes at once, as its attribute of that name.

    Fused kernels keep edges on the chip, so with them it is all frames.

    Args:
        model: its sizes matter alone.
        platform: kind of device, such as "cpu" or "gpu".
        replicas: how many are computed side by side on a device; on a CPU they follow one another.
    """
    if model.kernels == "fused" and platform != "cpu":
        return None
    inputs = [model.entry, *(features for features, _ in model.blocks[:-1])]
    inner = [width // bottleneck for width, (_, bottleneck) in zip(inputs, model.blocks, strict=True)]
    frame = 4 * (model.points or NUM_LANDMARKS) * model.neighbours * max(model.entry, *inner)  # bytes of its edges
    return frames_that_fit(frame, platform, replicas=replicas)


def frames_that_fit(size: int, platform: str, *, replicas: int = 1) -> int:
    """Returns how many frames are best computed at once.

    Args:
        size: bytes of the largest intermediate values of a frame.
        platform: see `frames_at_once`.
        replicas: see `frames_at_once`.
    """
    available = CPU_CACHE if platform == "cpu" else ACCELERATOR_MEMORY // replicas
    return max(1, available // size)


def encoder_shapes(model: DFuseSmileNet) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of the encoder's variables by path, such as params/tokens/kernel."""
    # What does not change them is left out, so that a comparison of fusions traces the encoder once.
    encoder = model.clone(fusion="none", dropout=0.0, frames_at_once=None, kernels="plain")
    # Flax hashes a module by its attributes, which a type checker cannot see.
    return dict(_encoder_shapes(cast(Hashable, encoder)))


def classifier_shapes(model: DFuseSmileNet) -> dict[str, tuple[int, ...]]:
    """Returns the shapes, by path, of the variables after the encoder: the fusion, a LayerNorm and a Linear.

    Raises:
        ValueError: the fusion cannot have the model's width.
    """
    return _shapes(model, jnp.zeros((1, 1, model.width)), jnp.zeros((1, NUM_DMARKERS)), method="classify")


def variable_shapes(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of all variables of a network of this package, by path.

    Raises:
        ValueError: the fusion cannot have the model's width.
    """
    if not isinstance(model, DFuseSmileNet):
        return _shapes(model, model.clip())
    shapes = encoder_shapes(model) | classifier_shapes(model)
    if isinstance(model, DeepMarkerNet):
        shapes |= _shapes(model, jnp.zeros((1, 1, model.width)), method="regress")
    return shapes


def count_parameters(model: nn.Module) -> int:
    """Returns the number of a network's parameters; batch statistics are none.

    Raises:
        ValueError: the fusion cannot have the model's width.
    """
    return sum(math.prod(shape) for path, shape in variable_shapes(model).items() if path.startswith("params/"))


@functools.lru_cache(maxsize=8)
def _encoder_shapes(model: DFuseSmileNet) -> Mapping[str, tuple[int, ...]]:
    return _shapes(model, jnp.zeros((1, 1, NUM_LANDMARKS, 3)), method="encode")


def _shapes(module: nn.Module, *inputs, method: str = "__call__") -> dict[str, tuple[int, ...]]:
    init = functools.partial(module.init, method=method)
    variables = jax.eval_shape(init, jax.random.key(0), *inputs)
    leaves = jax.tree_util.tree_leaves_with_path(variables)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf.shape for path, leaf in leaves}

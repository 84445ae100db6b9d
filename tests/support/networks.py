"""Small networks, variables and inputs for the tests of `dfuse_jax.models`."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dfuse_jax.constants import NUM_DMARKERS, NUM_LANDMARKS

# These cannot see the encoder: they attend to a single token.
BLIND = ["attention", "multihead_attention", "cross_attention", "multihead_cross_attention"]
TINY = {
    "points": 32,
    "neighbours": 6,
    "entry": 8,
    "blocks": ((16, 2),),
    "curves": 8,
    "steps": 2,
    "tokens": 4,
    "depth": 1,
    "time_depth": 1,
    "heads": 2,
    "head_width": 8,
    "mlp": 16,
}

# For programs that take long to compile and next to nothing to run.
fast_to_compile = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
ignore_blind = pytest.mark.filterwarnings("ignore:the fusion .* cannot see the encoder")


def batch(size: int = 4):
    """Returns landmarks [size, 5, 478, 3], D-Markers [size, 225] and labels [size]."""
    rng = np.random.default_rng(0)
    landmarks = rng.uniform(size=(size, 5, NUM_LANDMARKS, 3))
    dmarkers = rng.normal(size=(size, NUM_DMARKERS))
    return jnp.asarray(landmarks, float), jnp.asarray(dmarkers, float), jnp.arange(size) % 2


def variables_of(module, *inputs, replicas: int | None = None, **settings):
    """Returns variables of a module as `init` gives them, but for the random numbers, without compiling anything.

    Kernels are random, of variance 2 by the number of inputs.

    Args:
        module: a Flax module.
        inputs: of `init`.
        replicas: how many sets of variables to stack; None: one, not stacked.
        settings: of `init`, not traced.
    """
    rng = np.random.default_rng(0)
    initial = {"scale": np.ones, "var": np.ones, "bias": np.zeros, "mean": np.zeros}
    shapes = jax.eval_shape(functools.partial(module.init, **settings), jax.random.key(0), *inputs)

    def value(path, leaf):
        shape = leaf.shape if replicas is None else (replicas, *leaf.shape)
        name = path[-1].key
        if name in initial:
            return jnp.asarray(initial[name](shape), leaf.dtype)
        return jnp.asarray(rng.normal(size=shape) * np.sqrt(2 / np.prod(leaf.shape[:-1])), leaf.dtype)

    return jax.tree_util.tree_map_with_path(value, shapes)


def row(tree, number: int):
    """Returns one replica's part of stacked arrays."""
    return jax.tree.map(lambda leaf: leaf[number], tree)

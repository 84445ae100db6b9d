"""Fused kernels, interpreted on a CPU, against the plain version: values, statistics and all gradients."""

import jax
import jax.numpy as jnp
import numpy as np
from networks import fast_to_compile, row, variables_of

KINDS = ("plain", "fused")


def features(*shape: int, dtype=float):
    """Returns normal random numbers."""
    return jnp.asarray(np.random.default_rng(sum(shape)).normal(size=shape), dtype)


def pull(module, *inputs, train: bool, replicas: int | None = None):
    """Returns a module's output and collections, and the gradients of parameters and inputs, for a made-up loss.

    Args:
        module: takes the inputs and `train`; returns an array.
        inputs: trees of arrays, stacked where there are replicas.
        train: whether it is a training step.
        replicas: how many; None: one, not stacked.
    """
    first = row(inputs, 0) if replicas else inputs
    variables = dict(variables_of(module, *first, train=False, replicas=replicas))
    params, collections = variables.pop("params"), variables

    def one(params, collections, inputs):
        def loss(params, inputs):
            output, after = module.apply({"params": params, **collections}, *inputs, train, mutable=["batch_stats"])
            weights = jnp.sin(jnp.arange(output.size)).reshape(output.shape)
            return jnp.sum(output * weights.astype(output.dtype)), (output, after)

        (_, result), gradients = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True, allow_int=True)(params, inputs)
        return result, jax.tree.map(lambda g: None if g.dtype == jax.dtypes.float0 else g, gradients)

    function = jax.vmap(one) if replicas else one
    return jax.device_get(fast_to_compile(function)(params, collections, inputs))


def compare(plain, fused, tolerance: float):
    """Holds every array against the largest value of the plain one."""
    expected = jax.tree_util.tree_leaves_with_path(plain)
    for (path, a), b in zip(expected, jax.tree.leaves(fused), strict=True):
        a, b = np.asarray(a, float), np.asarray(b, float)
        scale = np.max(np.abs(a))
        np.testing.assert_allclose(b, a, rtol=0, atol=tolerance * scale, err_msg=jax.tree_util.keystr(path))


def compare_errors(exact, plain, fused, *, factor: float, floor: float):
    """Holds the fused version's error against `factor` times the plain one's, or a share `floor` of the exact value."""
    for expected, *actual in zip(*map(jax.tree.leaves, (exact, plain, fused)), strict=True):
        errors = [np.sqrt(np.mean((np.asarray(x, float) - expected) ** 2)) for x in actual]
        assert errors[1] <= max(factor * errors[0], floor * np.sqrt(np.mean(expected**2)))

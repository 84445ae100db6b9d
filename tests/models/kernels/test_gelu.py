"""The fused GELU, interpreted, against Flax's: values and gradients, any size, precisions, replicas."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dfuse_jax.models.kernels.gelu import gelu


def plain(x):
    return nn.gelu(x, approximate=False)


def value_and_gradient(function, x):
    value, pull = jax.vjp(function, x)
    return [np.asarray(y, np.float64) for y in (value, *pull(jnp.cos(x)))]


@pytest.mark.parametrize("shape", [(3, 5), (2, 1024), (1025,)])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-6), ("bfloat16", 0.008)])
def test_values_and_gradients_are_those_of_the_plain_version(shape, dtype, tolerance):
    """In bfloat16 to its last digit of the exact values of the same numbers."""
    with jax.enable_x64(True):
        x = jnp.asarray(4 * np.random.default_rng(0).normal(size=shape), dtype)
        fused = value_and_gradient(gelu, x)
        exact = value_and_gradient(plain, x.astype(jnp.float64))
    for ours, theirs in zip(fused, exact, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


def test_replicas_side_by_side_are_those_replicas_alone():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(3, 2, 700)), jnp.float32)
    for function in (gelu, jax.grad(lambda x: jnp.sum(gelu(x) ** 2))):
        together, alone = jax.jit(jax.vmap(function)), jax.jit(function)
        np.testing.assert_array_equal(together(x), jnp.stack([alone(one) for one in x]))

"""The fused activation of an MLP, interpreted, against Flax's GELU: values and gradients, any size, precisions."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dfuse_jax.models.kernels.gelu import Activation, activate
from dfuse_jax.models.kernels.rows import Axis


def fused(x, bias):
    return activate(Activation(x, bias, None, Axis(len(x))))


def plain(x, bias):
    return nn.gelu(x + bias, approximate=False)


def value_and_gradients(function, x, bias):
    value, pull = jax.vjp(function, x, bias)
    return [np.asarray(y, np.float64) for y in (value, *pull(jnp.cos(x)))]


@pytest.mark.parametrize("shape", [(3, 5), (2, 1024), (1025, 4)])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-6), ("bfloat16", 0.008)])
def test_values_and_gradients_are_those_of_the_plain_version(shape, dtype, tolerance):
    """In bfloat16 to its last digit of the exact values of the same numbers."""
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        x, bias = jnp.asarray(4 * rng.normal(size=shape), dtype), jnp.asarray(rng.normal(size=shape[1:]), dtype)
        ours = value_and_gradients(fused, x, bias)
        exact = value_and_gradients(plain, x.astype(jnp.float64), bias.astype(jnp.float64))
    for got, expected in zip(ours, exact, strict=True):
        np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance * max(1, np.abs(expected).max() / 8))


@pytest.mark.long
def test_replicas_side_by_side_are_those_replicas_alone():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(3, 70, 20)), jnp.float32)
    bias = x[:, 0]
    for function in (fused, jax.grad(lambda x, bias: jnp.sum(fused(x, bias) ** 2), argnums=(0, 1))):
        together, alone = jax.jit(jax.vmap(function)), jax.jit(function)
        one_by_one = [alone(*pair) for pair in zip(x, bias, strict=True)]
        jax.tree.map(lambda a, *b: np.testing.assert_array_equal(a, jnp.stack(b)), together(x, bias), *one_by_one)

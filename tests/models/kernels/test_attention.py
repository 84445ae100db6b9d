"""The fused attention, interpreted, against the plain version: values, gradients, odd sizes, replicas, precisions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dfuse_jax.models import transformer
from dfuse_jax.models.kernels import attention
from dfuse_jax.models.kernels.rows import Axis

SHAPES = [(2, 16, 3, 2, 8), (32, 3, 1, 16), (17, 3, 3, 5)]  # [*batch, length, 3, heads, width]


def attend(qkv):
    """Returns what the kernel does with [*batch, length, 3, heads, width]."""
    *batch, length, _, heads, width = qkv.shape
    return attention.attend(qkv.reshape(-1, *qkv.shape[-3:]), Axis(length)).reshape(*batch, length, heads, width)


def value_and_gradient(function, shape, dtype):
    rng = np.random.default_rng(0)
    qkv = jnp.asarray(rng.normal(size=shape), dtype)
    g = jnp.asarray(rng.normal(size=(*shape[:-3], *shape[-2:])), dtype)
    value, gradient = jax.jit(lambda qkv, g: (function(qkv), jax.vjp(function, qkv)[1](g)[0]))(qkv, g)
    assert value.dtype == gradient.dtype == qkv.dtype
    return [np.asarray(x, np.float64) for x in (value, gradient)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 2e-6), ("bfloat16", 0.03)])
def test_values_and_gradients_are_those_of_the_plain_version(shape, dtype, tolerance):
    with jax.enable_x64(dtype == "float64"):
        fused, plain = (value_and_gradient(function, shape, dtype) for function in (attend, transformer.attend))
    for ours, theirs in zip(fused, plain, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * np.abs(theirs).max())


@pytest.mark.long
def test_replicas_side_by_side_are_those_replicas_alone():
    qkv = jnp.asarray(np.random.default_rng(0).normal(size=(3, 2, 5, 3, 2, 4)), jnp.float32)
    gradient = jax.grad(lambda x: jnp.sum(attend(x) ** 2))
    for function in (attend, gradient):
        together, alone = jax.jit(jax.vmap(function)), jax.jit(function)
        np.testing.assert_array_equal(together(qkv), jnp.stack([alone(one) for one in qkv]))


def test_along_an_axis_that_is_not_the_last():
    """Of [batch, length, inner, 3, heads, width]."""
    with jax.enable_x64(True):
        qkv = jnp.asarray(np.random.default_rng(1).normal(size=(2, 5, 3, 3, 2, 4)))
        ours = attention.attend(qkv.reshape(-1, 3, 2, 4), Axis(5, inner=3)).reshape(2, 5, 3, 2, 4)
        expected = jnp.swapaxes(transformer.attend(jnp.swapaxes(qkv, 1, 2)), 1, 2)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-12)

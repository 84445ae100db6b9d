"""The fused attention, interpreted, against the plain version: values, gradients, odd sizes, replicas, precisions."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dfuse_jax.models.kernels.attention import attend
from dfuse_jax.models.transformer import SpaceTime, attend_plainly

SHAPES = [(2, 16, 3, 2, 8), (32, 3, 1, 16), (17, 3, 3, 5)]


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
        fused, plain = (value_and_gradient(function, shape, dtype) for function in (attend, attend_plainly))
    for ours, theirs in zip(fused, plain, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * np.abs(theirs).max())


def test_replicas_side_by_side_are_those_replicas_alone():
    qkv = jnp.asarray(np.random.default_rng(0).normal(size=(3, 2, 5, 3, 2, 4)), jnp.float32)
    gradient = jax.grad(lambda x: jnp.sum(attend(x) ** 2))
    for function in (attend, gradient):
        together, alone = jax.jit(jax.vmap(function)), jax.jit(function)
        np.testing.assert_array_equal(together(qkv), jnp.stack([alone(one) for one in qkv]))


def test_a_transformer_with_fused_attention_trains_as_the_plain_one():
    """With dropout, which draws the same bits, and one set of parameters."""
    sizes = {"depth": 1, "time_depth": 0, "heads": 2, "head_width": 8, "mlp": 16, "dropout": 0.25}
    key = {"dropout": jax.random.key(1)}
    with jax.enable_x64(True):
        x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3, 4, 16)))
        variables = SpaceTime(**sizes).init(jax.random.key(0), x, False)

        def loss(variables, *, kernels):
            return jnp.sum(SpaceTime(**sizes, kernels=kernels).apply(variables, x, True, rngs=key) ** 2)

        plain, fused = (
            jax.jit(jax.grad(functools.partial(loss, kernels=name)))(variables) for name in ("plain", "fused")
        )
    for ours, theirs in zip(jax.tree.leaves(fused), jax.tree.leaves(plain), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12 * max(1, np.abs(theirs).max()))

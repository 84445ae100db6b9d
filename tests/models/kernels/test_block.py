"""A transformer of fused blocks, interpreted, against the plain one: values, gradients, dropout, replicas."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kernels import compare_errors
from networks import fast_to_compile, row

from dfuse_jax.models.transformer import FRAMES, TOKENS, Block, SpaceTime

SIZES = {"depth": 2, "time_depth": 0, "heads": 2, "head_width": 4, "mlp": 20}


def example(shape, dtype="float64"):
    x = jnp.asarray(np.random.default_rng(0).normal(size=shape), dtype)
    variables = SpaceTime(**SIZES, dropout=0.0).init(jax.random.key(0), x, False)
    # biases and scales other than 0 and 1
    return x, jax.tree.map(lambda a: a + 0.1 * jnp.cos(jnp.arange(a.size)).reshape(a.shape), variables)


def loss(variables, x, key, *, kernels, dropout, train):
    model = SpaceTime(**SIZES, dropout=dropout, kernels=kernels)
    y = model.apply(variables, x, train, rngs={"dropout": key})
    return jnp.sum(jnp.sin(y).astype(jnp.promote_types(y.dtype, jnp.float32)))


def differentiate(kernels, dropout=0.25, train=True):
    function = functools.partial(loss, kernels=kernels, dropout=dropout, train=train)
    return jax.value_and_grad(function, argnums=(0, 1))


@pytest.mark.parametrize(
    ("shape", "dropout", "train"),
    [((2, 3, 4, 16), 0.25, True), ((3, 5, 3, 12), 0.0, True), ((3, 5, 3, 12), 0.25, False)],
)
def test_in_float64_it_is_the_plain_one(shape, dropout, train):
    """With dropout, whose bits are the same along frames and along tokens."""
    with jax.enable_x64(True):
        x, variables = example(shape)
        plain, fused = (
            fast_to_compile(differentiate(kernels, dropout, train))(variables, x, jax.random.key(1))
            for kernels in ("plain", "fused")
        )
    for ours, theirs in zip(jax.tree.leaves(fused), jax.tree.leaves(plain), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12 * max(1, np.abs(theirs).max()))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_in_lower_precision_it_is_as_near_to_float64_as_the_plain_one(dtype):
    with jax.enable_x64(True):
        x, variables = example((2, 3, 4, 16))
        exact = differentiate("plain")(variables, x.astype(dtype).astype("float64"), jax.random.key(1))
    variables = jax.tree.map(lambda a: a.astype(jnp.float32), variables)
    plain, fused = (
        fast_to_compile(differentiate(kernels))(variables, x.astype(dtype), jax.random.key(1))
        for kernels in ("plain", "fused")
    )
    compare_errors(exact, plain, fused, factor=2, floor=0.01)


@pytest.mark.long
def test_replicas_side_by_side_are_those_replicas_alone():
    x, variables = example((2, 2, 3, 16), "float32")
    variables = jax.tree.map(lambda a: jnp.stack([a, 1.1 * a]), variables)
    keys, rates = jax.random.split(jax.random.key(1)), jnp.asarray([0.1, 0.5])

    def one(variables, key, rate):
        return jax.grad(functools.partial(loss, kernels="fused", dropout=rate, train=True))(variables, x, key)

    together = fast_to_compile(jax.vmap(one))(variables, keys, rates)
    alone = [fast_to_compile(one)(*row((variables, keys, rates), number)) for number in range(2)]
    for ours, *theirs in zip(*map(jax.tree.leaves, (together, *alone)), strict=True):
        np.testing.assert_allclose(ours, np.stack(theirs), rtol=0, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.parametrize("axis", [FRAMES, TOKENS])
def test_a_block_without_a_code_and_of_a_width_that_4_does_not_divide(axis):
    """The latter stays plain, since four values share a block of random bits."""
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3, 4, 10)), jnp.float32)
    for width in (8, 10):
        sizes = {"heads": 1, "head_width": 4, "mlp": 12, "dropout": 0.5, "coded": False}
        part = x[..., :width]
        variables = Block(**sizes).init(jax.random.key(0), part, False)
        plain, fused = (
            Block(**sizes, kernels=kernels).apply(variables, part, True, axis=axis, rngs={"dropout": jax.random.key(2)})
            for kernels in ("plain", "fused")
        )
        np.testing.assert_allclose(fused, plain, rtol=0, atol=1e-5)

"""The shared layers: products, precision, initialisation, and dropout at static and traced rates."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dfuse_jax.models.layers import Dropout, Kernel, dense, expand, layer_norm, matmul, precise_matmul

KEY = {"dropout": jax.random.key(3)}


def drop(rate, x, *, train: bool = True):
    return Dropout(rate).apply({}, x, train, rngs=KEY)


def test_matmul_has_the_gradients_of_a_product():
    rng = np.random.default_rng(0)
    x, kernel, g = (jnp.asarray(rng.normal(size=s), jnp.float32) for s in ((2, 3, 4), (4, 5), (2, 3, 5)))
    y, pull = jax.vjp(matmul, x, kernel)
    x_gradient, kernel_gradient = pull(g)
    np.testing.assert_allclose(y, np.einsum("abi,io->abo", x, kernel), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(x_gradient, np.einsum("abo,io->abi", g, kernel), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(kernel_gradient, np.einsum("abi,abo->io", x, g), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(precise_matmul(x, kernel), y, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("axis", "shape"), [(-1, (1, 1, 4)), (1, (1, 4, 1)), (0, (4, 1, 1))])
def test_a_vector_is_broadcast_along_one_axis(axis, shape):
    assert expand(jnp.arange(4.0), 3, axis).shape == shape


@pytest.mark.parametrize("layer", [dense(5), layer_norm()])
def test_a_layer_computes_in_its_inputs_precision(layer):
    x = jnp.ones((3, 4), jnp.bfloat16)
    variables = layer.init(jax.random.key(0), x)
    assert {str(leaf.dtype) for leaf in jax.tree.leaves(variables)} == {"float32"}
    assert layer.apply(variables, x).dtype == jnp.bfloat16


@pytest.mark.parametrize("layer", [dense(300), Kernel(300)])
def test_kernels_are_initialised_as_he_et_al_do(layer):
    inputs = 200 if isinstance(layer, Kernel) else jnp.ones((1, 200))
    kernel = layer.init(jax.random.key(0), inputs)["params"]["kernel"]
    assert kernel.shape == (200, 300)
    assert kernel.std() == pytest.approx(np.sqrt(2 / 200), rel=0.02)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("make", [float, jnp.float32], ids=["static", "array"])
def test_dropout_drops_its_share_and_divides_the_rest(rate, make):
    y = drop(make(rate), jnp.full((100, 1000), 3.0))
    kept = y != 0
    deviation = np.sqrt(rate * (1 - rate) / kept.size)
    assert 1 - kept.mean() == pytest.approx(rate, abs=5 * deviation)
    np.testing.assert_allclose(y[kept], 3 / (1 - rate), rtol=1e-4)  # the rate is rounded to a multiple of 2^-16
    np.testing.assert_array_equal(drop(make(rate), y, train=False), y)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_traced_rates_side_by_side_are_those_rates_alone(dtype):
    x = jnp.asarray(np.random.default_rng(0).normal(size=(7, 33)), dtype)
    rates = [0.0, 0.1, 0.3, 0.75]
    together = jax.jit(jax.vmap(lambda rate: drop(rate, x)))(jnp.array(rates))
    assert together.dtype == x.dtype
    for rate, y in zip(rates, together, strict=True):
        np.testing.assert_array_equal(y == 0, drop(rate, x) == 0)  # the same mask
        np.testing.assert_allclose(y.astype(float), drop(rate, x).astype(float), rtol=1e-6)
    np.testing.assert_array_equal(together[0], x)


def test_one_program_serves_all_traced_rates():
    traces = []

    @jax.jit
    def run(rate):
        traces.append(rate)
        return drop(rate, jnp.ones(1000))

    few, many = run(0.1), run(0.9)
    assert len(traces) == 1
    assert (few == 0).sum() < 200 < 800 < (many == 0).sum()


def test_a_traced_rate_has_the_gradient_of_a_static_one():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(50,)))
    gradient = jax.jit(jax.grad(lambda x, rate: jnp.sum(drop(rate, x) ** 2)))(x, 0.25)
    y = drop(0.25, x)
    np.testing.assert_allclose(gradient, 2 * y / 0.75, rtol=1e-5)
    assert not gradient[y == 0].any() and gradient[y != 0].all()


def test_a_static_rate_of_0_leaves_nothing_to_compute():
    jaxpr = jax.make_jaxpr(lambda x: drop(0.0, x))(jnp.ones(3))
    assert not jaxpr.jaxpr.eqns

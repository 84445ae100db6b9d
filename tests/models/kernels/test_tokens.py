"""The fused map of points to tokens, interpreted, against einsum: values and gradients, odd sizes, replicas."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kernels import compare, features
from smiles import precision

from dfuse_jax.models.kernels.tokens import mix


def plain(kernel, x):
    return jnp.einsum("nt,mnc->mtc", kernel, x)


def pull(function, kernel, x):
    def one(kernel, x):
        value, gradients = jax.vjp(function, kernel, x)
        return value, gradients(jnp.cos(value))

    return jax.device_get(jax.jit(one if kernel.ndim == 2 else jax.vmap(one))(kernel, x))


@pytest.mark.parametrize(("frames", "points", "tokens", "width"), [(3, 33, 4, 20), (70, 9, 17, 16), (1, 40, 3, 300)])
def test_values_and_gradients_agree_in_float64(frames, points, tokens, width):
    with precision(True):
        operands = features(points, tokens), features(frames, points, width)
        compare(pull(plain, *operands), pull(mix, *operands), 1e-12)


@pytest.mark.long
def test_replicas_agree_in_float64():
    with precision(True):
        operands = features(2, 33, 4), features(2, 3, 33, 8)
        compare(pull(plain, *operands), pull(mix, *operands), 1e-12)


@pytest.mark.long
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("bfloat16", 2**-5)])
def test_in_lower_precision_they_are_near_the_exact_ones(dtype, tolerance):
    operands = features(33, 4, dtype=dtype), features(3, 33, 20, dtype=dtype)
    ours = pull(mix, *operands)
    with precision(True):
        exact = pull(plain, *(jnp.asarray(np.asarray(x, np.float64)) for x in operands))
    compare(exact, ours, tolerance)

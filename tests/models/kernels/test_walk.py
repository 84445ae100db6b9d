"""What a walk's kernels give for candidates, against the plain version."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kernels import compare, features
from smiles import precision

from dfuse_jax.models.cloud import gather
from dfuse_jax.models.curvenet import curves
from dfuse_jax.models.kernels import walk


def operands(*lead: int, width: int, dtype=float):
    """33 points, of which 40 curves have 5 candidates each."""
    candidates = np.random.default_rng(0).integers(0, 33, (*lead, 40, 5)).astype(np.int16)
    x, g = (features(*lead, number, width, dtype=dtype) for number in (33, 40))
    return jnp.asarray(candidates), x, g, 0.5 * g[..., ::-1, :]


def fused(candidates, x, first, second):
    return walk.suppression(candidates, x, first, second), walk.products(candidates, x, first)


def plain(candidates, x, first, second):
    products = jnp.einsum("mckd,mcd->mck", gather(x, candidates), first)
    return curves._suppression(candidates, x, first, second), products


@pytest.mark.parametrize("width", [3, 16])
def test_values_agree_in_float64(width):
    with precision(True):
        inputs = operands(2, width=width)
        compare(jax.jit(plain)(*inputs), jax.jit(fused)(*inputs), 1e-12)


def test_values_agree_in_float32():
    inputs = operands(2, width=8)
    compare(jax.jit(plain)(*inputs), jax.jit(fused)(*inputs), 1e-5)


def test_bfloat16_is_as_near_to_float64_as_it_can_be():
    inputs = operands(2, width=8, dtype=jnp.bfloat16)
    values = jax.device_get(jax.jit(fused)(*inputs))
    with precision(True):
        exact = jax.device_get(plain(*(x.astype(jnp.float64) if x.dtype == jnp.bfloat16 else x for x in inputs)))
    compare(exact, values, 2**-8)


def test_replicas_agree_in_float64():
    with precision(True):
        inputs = operands(2, 3, width=6)
        compare(jax.vmap(plain)(*inputs), jax.jit(jax.vmap(fused))(*inputs), 1e-12)

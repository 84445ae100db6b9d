"""What a walk's kernels give for candidates, against the plain version: values, and the scores' gradient."""

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
    """33 points with 5 neighbours each, and 40 curves."""
    rng = np.random.default_rng(0)
    neighbours, points = rng.integers(0, 33, (*lead, 33, 5)).astype(np.int16), rng.integers(0, 33, (*lead, 40))
    x, g = (features(*lead, number, width, dtype=dtype) for number in (33, 40))
    return jnp.asarray(neighbours), jnp.asarray(points, jnp.int16), x[..., 0], x, g, 0.5 * g[..., ::-1, :]


def fused(neighbours, points, scores, *arrays):
    def surveyed(scores):
        return walk.survey(neighbours, points, scores, *arrays)

    return results(surveyed, scores, arrays, walk.products)


def plain(neighbours, points, scores, *arrays):
    candidates = gather(neighbours, points)

    def surveyed(scores):
        return candidates, gather(scores, candidates), curves._suppression(candidates, *arrays)

    def products(candidates, x, g):
        return jnp.einsum("mckd,mcd->mck", gather(x, candidates), g)

    return results(surveyed, scores, arrays, products)


def results(surveyed, scores, arrays, products):
    """Returns what curves see, the gradient of the scores, and the candidates' products with the curves' features."""
    candidates, _, suppression = surveyed(scores)
    values, pull = jax.vjp(lambda scores: surveyed(scores)[1], scores)
    return candidates, values, suppression, pull(jnp.cos(values)), products(candidates, *arrays[:2])


@pytest.mark.parametrize("width", [3, 16])
def test_values_agree_in_float64(width):
    with precision(True):
        inputs = operands(2, width=width)
        compare(jax.jit(plain)(*inputs), jax.jit(fused)(*inputs), 1e-12)


@pytest.mark.long
def test_values_agree_in_float32():
    inputs = operands(2, width=8)
    compare(jax.jit(plain)(*inputs), jax.jit(fused)(*inputs), 1e-5)


@pytest.mark.long
def test_bfloat16_is_as_near_to_float64_as_it_can_be():
    inputs = operands(2, width=8, dtype=jnp.bfloat16)
    values = jax.device_get(jax.jit(fused)(*inputs))
    with precision(True):
        exact = jax.device_get(plain(*(x.astype(jnp.float64) if x.dtype == jnp.bfloat16 else x for x in inputs)))
    compare(exact, values, 2**-8)


@pytest.mark.long
def test_replicas_agree_in_float64():
    with precision(True):
        inputs = operands(2, 3, width=6)
        compare(jax.vmap(plain)(*inputs), jax.jit(jax.vmap(fused))(*inputs), 1e-12)

"""Batch norm by itself and folded into a linear map, against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from smiles import precision

from dfuse_jax.models.cloud import feature_moments
from dfuse_jax.models.norms import BatchNorm, moments_from_sums

SCALE, BIAS = np.array([1.5, 0.5]), np.array([0.1, -0.2])
MEAN, VARIANCE = np.array([0.3, 0.4]), np.array([2.0, 3.0])


def variables():
    learnt, running = {"scale": SCALE, "bias": BIAS}, {"mean": MEAN, "var": VARIANCE}
    return jax.tree.map(jnp.asarray, {"params": learnt, "batch_stats": running})


def normalised(x, mean=MEAN, variance=VARIANCE):
    return (x - mean) / np.sqrt(variance + 1e-5) * SCALE + BIAS


def check_running(new, mean, variance):
    """Running statistics take a tenth of the batch's."""
    np.testing.assert_allclose(new["batch_stats"]["mean"], 0.9 * MEAN + 0.1 * mean, rtol=1e-9)
    np.testing.assert_allclose(new["batch_stats"]["var"], 0.9 * VARIANCE + 0.1 * variance, rtol=1e-9)


@pytest.mark.parametrize("axis", [-1, 1])
def test_batch_norm(axis):
    with precision(True):
        x = np.random.default_rng(0).normal(1, 2, size=(5, 4, 3, 2))
        inputs = jnp.asarray(np.moveaxis(x, -1, axis))
        y = BatchNorm().apply(variables(), inputs, axis, train=False)
        np.testing.assert_allclose(np.moveaxis(y, axis, -1), normalised(x), rtol=1e-9)
        y, new = BatchNorm().apply(variables(), inputs, axis, train=True, mutable=["batch_stats"])
        mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
        np.testing.assert_allclose(np.moveaxis(y, axis, -1), normalised(x, mean, variance), rtol=1e-9)
        check_running(new, mean, variance)


def test_a_folded_norm_is_the_linear_map_and_the_norm_after_it():
    with precision(True):
        rng = np.random.default_rng(0)
        x, kernel = jnp.asarray(rng.normal(1, 2, size=(6, 5, 3))), jnp.asarray(rng.normal(size=(3, 2)))
        y = np.asarray(x @ kernel)
        affine = BatchNorm().apply(variables(), kernel, None, method="fold")
        np.testing.assert_allclose(affine(x), normalised(y), rtol=1e-9)
        moments = feature_moments(x, frames_at_once=None)
        affine, new = BatchNorm().apply(variables(), kernel, moments, method="fold", mutable=["batch_stats"])
        mean, variance = y.mean((0, 1)), y.var((0, 1))
        np.testing.assert_allclose(affine(x), normalised(y, mean, variance), rtol=1e-9)
        check_running(new, mean, variance)
        assert {a.dtype for a in affine.astype("bfloat16")} == {jnp.dtype("bfloat16")}


def test_moments_from_sums():
    with precision(True):
        rows = np.random.default_rng(0).normal(size=(20, 3))
        mean, covariance = moments_from_sums(jnp.asarray(rows.sum(0)), jnp.asarray(rows.T @ rows), 20)
        np.testing.assert_allclose(mean, rows.mean(0), rtol=1e-9)
        np.testing.assert_allclose(covariance, np.cov(rows.T, ddof=0), rtol=1e-9)


def test_initialising_leaves_the_running_statistics():
    _, new = BatchNorm().init_with_output(jax.random.key(0), 5 + jnp.arange(6.0).reshape(3, 2), train=True)
    np.testing.assert_array_equal(new["batch_stats"]["mean"], np.zeros(2))
    np.testing.assert_array_equal(new["batch_stats"]["var"], np.ones(2))

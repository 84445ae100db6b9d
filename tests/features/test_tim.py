"""Temporal interpolation against its definition, term by term."""

import numpy as np
import pytest

from dfuse_jax.features import interpolate
from dfuse_jax.features.tim import interpolation_weights


def by_definition(x, m):
    n = len(x)
    u = np.arange(m) * (n - 1) / (m - 1)
    total = np.full(m, x.mean())
    for k in range(1, n):
        a = 2 / n * sum(x[i] * np.cos(np.pi * k * (i + 0.5) / n) for i in range(n))
        total += a * np.cos(np.pi * k * (u + 0.5) / n)
    return total


@pytest.mark.parametrize(("n", "m"), [(7, 20), (30, 10), (2, 3)])
def test_it_is_cosine_interpolation(n, m):
    x = np.random.default_rng(n).normal(size=n)
    np.testing.assert_allclose(interpolation_weights(n, m) @ x, by_definition(x, m), atol=1e-12)


def test_as_many_frames_stay_what_they_are_and_the_ends_always_do():
    x = np.random.default_rng(0).normal(size=(9, 4, 5)).astype(np.float32)
    np.testing.assert_allclose(interpolate(x, 9), x, atol=1e-5)
    few = np.asarray(interpolate(x, 4))
    np.testing.assert_allclose(few[[0, -1]], x[[0, -1]], atol=1e-5)


@pytest.mark.parametrize(("n", "m"), [(1, 5), (3, 20), (200, 20)])
def test_weights_sum_to_one_so_a_constant_stays(n, m):
    np.testing.assert_allclose(interpolation_weights(n, m).sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(interpolate(np.full((n, 2), 7, np.uint8), m), 7, atol=1e-4)


@pytest.mark.parametrize(("n", "m"), [(0, 5), (5, 1)])
def test_what_cannot_be_interpolated_is_refused(n, m):
    with pytest.raises(ValueError, match=f"{n} frames cannot be interpolated to {m}"):
        interpolate(np.zeros((n, 2)), m)

"""Neighbours, moments, and computation of a few frames at a time, against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from smiles import precision

from dfuse_jax.models.cloud import edge_moments, feature_moments, gather, map_frames, nearest

CLOUD = np.random.default_rng(0).normal(size=(6, 9, 3))


def test_nearest_points():
    neighbours = nearest(jnp.asarray(CLOUD), 4)
    for points, indices in zip(CLOUD, neighbours, strict=True):
        distance = np.linalg.norm(points[:, None] - points[None], axis=-1)
        np.testing.assert_array_equal(indices, np.argsort(distance, axis=1)[:, :4])
    np.testing.assert_array_equal(neighbours[..., 0], np.tile(np.arange(9), (6, 1)))


def test_nearest_points_have_no_gradient():
    gradient = jax.grad(lambda p: jnp.sum(gather(p, nearest(p, 2))[:, :, 1] - p))(jnp.asarray(CLOUD))
    counts = [np.bincount(row, minlength=9) for row in nearest(jnp.asarray(CLOUD), 2)[..., 1]]
    np.testing.assert_allclose(gradient, np.broadcast_to(np.array(counts)[..., None] - 1, CLOUD.shape))


def test_gather_takes_rows_of_the_same_frame():
    index = np.array([[[0, 1], [2, 3]]] * 6)
    np.testing.assert_array_equal(gather(jnp.asarray(CLOUD), index), np.asarray(CLOUD, np.float32)[:, index[0]])


@pytest.mark.parametrize("frames_at_once", [None, 1, 2, 4, 100])
def test_frames_at_once_change_no_number(frames_at_once):
    with precision(True):
        points, index = jnp.asarray(CLOUD), nearest(jnp.asarray(CLOUD), 3)

        def function(points, index):
            return {"edges": gather(points, index) ** 2, "norm": jnp.linalg.norm(points, axis=-1)}

        result = map_frames(function, points, index, frames_at_once=frames_at_once)
        np.testing.assert_allclose(result["edges"], [p[i] ** 2 for p, i in zip(CLOUD, index, strict=True)], rtol=1e-12)
        np.testing.assert_allclose(result["norm"], np.linalg.norm(CLOUD, axis=-1), rtol=1e-12)
        moments = feature_moments(points, frames_at_once=frames_at_once)
        np.testing.assert_allclose(moments.mean, CLOUD.reshape(-1, 3).mean(0), rtol=1e-9)
        np.testing.assert_allclose(moments.covariance, np.cov(CLOUD.reshape(-1, 3).T, ddof=0), rtol=1e-9)


def test_moments_of_edges():
    with precision(True):
        points = 5 + CLOUD
        index = nearest(jnp.asarray(points), 4)
        mean, covariance = edge_moments(jnp.asarray(points), index, frames_at_once=2)
        edges = [
            [*points[m, i], *(points[m, j] - points[m, i])] for m in range(6) for i in range(9) for j in index[m, i]
        ]
        np.testing.assert_allclose(mean, np.mean(edges, axis=0), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(covariance, np.cov(np.array(edges).T, ddof=0), rtol=1e-9, atol=1e-12)

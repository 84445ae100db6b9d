"""Table 1's points among the landmarks."""

import jax
import numpy as np
import pytest
from padded import FRAMES, compute
from smiles import rough

from dfuse_jax import dmarkers


def mesh_of(points):
    """Returns landmarks [T, 478, 3] that are NaN except in Table 1's points."""
    mesh = np.full((len(points), 478, 3), np.nan, np.float32)
    mesh[:, list(dmarkers.LANDMARKS)] = points
    return mesh


@pytest.fixture(scope="module")
def points():
    return rough(np.random.default_rng(3), FRAMES, "smooth").astype(np.float32)


def test_mesh_and_selected_points_give_the_same(points):
    features = dmarkers.compute(mesh_of(points), 25.0, length=FRAMES)
    np.testing.assert_allclose(features, compute(points, wide=False), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("call", [dmarkers.signals, dmarkers.head_pose])
def test_mesh_and_selected_points_give_the_same_signals_and_pose(points, call):
    jax.tree.map(np.testing.assert_array_equal, call(mesh_of(points)), call(points))


def test_whole_numbers_are_read_as_floating_point():
    points = np.random.default_rng(0).integers(0, 1000, (FRAMES, 11, 3))
    jax.tree.map(np.testing.assert_array_equal, dmarkers.signals(points), dmarkers.signals(points.astype(np.float32)))

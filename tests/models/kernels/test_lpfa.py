"""The fused LPFA against the plain one, and the lists that it needs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from kernels import KINDS, compare, compare_errors, features, pull
from smiles import precision

from dfuse_jax.models.cloud import Cloud, edge_moments, list_incoming, nearest
from dfuse_jax.models.curvenet.lpfa import LPFA, Entry


def clouds(frames: int, points: int, neighbours: int, train: bool) -> Cloud:
    positions = features(frames, points, 3)
    index = nearest(positions, neighbours + 1).astype(jnp.int16)
    moments = edge_moments(positions, index[..., :-1], frames_at_once=None) if train else None
    return Cloud(positions, index, moments, list_incoming(index[..., :-1]))


def both(*inputs, **settings):
    return [pull(LPFA(frames_at_once=None, kernels=kind), *inputs, **settings) for kind in KINDS]


@pytest.mark.parametrize(("points", "neighbours", "width"), [(33, 4, 5), (9, 8, 17)])
def test_training_agrees_in_float64(points, neighbours, width):
    with precision(True):
        compare(*both(features(2, points, width), clouds(2, points, neighbours, True), train=True), 1e-12)


def test_evaluation_agrees_in_float64():
    with precision(True):
        compare(*both(features(1, 35, 8), clouds(1, 35, 5, False), train=False), 1e-12)


@pytest.mark.long
def test_replicas_agree_in_float64():
    with precision(True):
        stacked = jax.vmap(lambda _: clouds(2, 33, 3, True))(jnp.arange(3))
        compare(*both(features(3, 2, 33, 8), stacked, train=True, replicas=3), 1e-12)


@pytest.mark.long
def test_training_agrees_in_float32():
    compare(*both(features(2, 33, 8), clouds(2, 33, 4, True), train=True), 1e-5)


@pytest.mark.long
def test_bfloat16_is_as_near_to_float64_as_the_plain_version():
    x = features(2, 64, 16, dtype=jnp.bfloat16)
    plain, fused = both(x, clouds(2, 64, 6, True), train=True)
    with precision(True):
        module = LPFA(frames_at_once=None, kernels="plain")
        exact = pull(module, x.astype(jnp.float64), clouds(2, 64, 6, True), train=True)
    compare_errors(exact, plain, fused, factor=1.2, floor=0.004)


@pytest.mark.parametrize("train", [True, False])
def test_the_entry_agrees_in_float64(train):
    """Of two frames, the points of the second one are all the same, so that all neighbours are the largest."""
    with precision(True):
        cloud = clouds(2, 33, 4, train)
        cloud = cloud._replace(points=cloud.points.at[1].set(0.5))
        entries = (Entry(width=5, frames_at_once=None, kernels=kind, dtype=None) for kind in KINDS)
        compare(*(pull(entry, cloud, train=train) for entry in entries), 1e-12)


@pytest.mark.long
def test_the_entrys_replicas_agree_in_float64():
    with precision(True):
        stacked = jax.vmap(lambda _: clouds(1, 20, 3, True))(jnp.arange(2))
        entries = (Entry(width=5, frames_at_once=None, kernels=kind, dtype=None) for kind in KINDS)
        compare(*(pull(entry, stacked, train=True, replicas=2) for entry in entries), 1e-12)


def test_every_edge_is_listed_by_its_neighbour():
    index = np.asarray(nearest(jnp.asarray(np.random.default_rng(0).normal(size=(2, 30, 3))), 5))
    sources, first = jax.device_get(list_incoming(jnp.asarray(index)))
    for frame in range(2):
        for point in range(30):
            listed = sources[frame, first[frame, point] : first[frame, point + 1]]
            np.testing.assert_array_equal(listed, np.flatnonzero((index[frame] == point).any(axis=1)))

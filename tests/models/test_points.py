"""Point operations: against the published code's, by hand, and by a loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from goldens import GOLDEN, NETWORKS
from smiles import precision

from dfuse_jax.models.points import ball_query, counts, farthest_points

FRAMES = GOLDEN["clips"][:, 1].astype(float)  # one of each clip


def farthest(points, count, variant):
    return np.asarray(farthest_points(jnp.asarray(points), count, variant=variant))


def ball(anchors, points, **settings):
    return np.asarray(ball_query(jnp.asarray(anchors), jnp.asarray(points), **settings))


def farthest_by_loop(points, count):
    """From the point farthest from the centre on."""
    picked = [int(np.argmax(((points - points.mean(axis=0)) ** 2).sum(axis=1)))]
    while len(picked) < count:
        distance = ((points[:, None] - points[None, picked]) ** 2).sum(axis=-1).min(axis=1)
        picked.append(int(np.argmax(distance)))
    return picked


def test_they_are_the_published_ones():
    with precision(True):
        picked = jax.vmap(lambda points: farthest_points(points, 60, variant="authors"))(jnp.asarray(FRAMES))
        anchors = jnp.take_along_axis(jnp.asarray(FRAMES), picked[..., None].astype(int), axis=1)
        query = jax.vmap(lambda a, p: ball_query(a, p, radius=0.1, count=16, variant="authors"))
        neighbours = query(anchors, jnp.asarray(FRAMES))
    np.testing.assert_array_equal(picked, NETWORKS["points/farthest"])
    np.testing.assert_array_equal(neighbours, NETWORKS["points/neighbours"])
    assert picked.dtype == neighbours.dtype == jnp.int16


def test_the_farthest_points_are_those_of_a_loop():
    points = np.random.default_rng(0).uniform(size=(50, 3))
    with precision(True):
        assert farthest(points, 20, "ours").tolist() == farthest_by_loop(points, 20)


def test_the_farthest_of_farthest_points_are_the_first_of_them():
    with precision(True):
        order = farthest(FRAMES[0], 239, "authors")
        coarser = farthest(FRAMES[0][order], 59, "authors")
    np.testing.assert_array_equal(coarser, np.arange(59))


def test_ours_does_not_depend_on_the_order_of_the_points():
    points, order = FRAMES[0], np.random.default_rng(1).permutation(478)
    settings = {"radius": 0.1, "count": 5, "variant": "ours"}
    with precision(True):
        anchors = farthest(points, 30, "ours")
        np.testing.assert_array_equal(order[farthest(points[order], 30, "ours")], anchors)
        neighbours = ball(points[anchors], points, **settings)
        np.testing.assert_array_equal(order[ball(points[anchors], points[order], **settings)], neighbours)


def test_points_near_the_origin_are_no_anchors_of_the_published_code():
    points = np.array([[0.5, 0, 0], [0.01, 0, 0], [0.6, 0, 0], [0, 0.02, 0]], np.float32)
    assert farthest(points, 4, "authors").tolist() == [0, 2, 0, 0]
    assert sorted(farthest(points, 4, "ours").tolist()) == [0, 1, 2, 3]
    assert farthest(np.zeros((4, 3), np.float32), 3, "authors").tolist() == [0, 0, 0]


def test_a_ball_by_hand():
    points = np.array([[0, 0, 0], [3, 0, 0], [1, 0, 0], [2, 0, 0], [9, 0, 0]], np.float32)
    anchors = np.array([[0.9, 0, 0], [20, 0, 0]], np.float32)
    settings = {"radius": 1.5, "count": 4}
    assert ball(anchors, points, variant="ours", **settings).tolist() == [[2, 0, 3, 2], [4, 4, 4, 4]]
    assert ball(anchors, points, variant="authors", **settings).tolist() == [[0, 2, 3, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize("variant", ["ours", "authors"])
def test_of_fewer_points_than_neighbours_the_first_repeats(variant):
    points = np.array([[0, 0, 0], [1, 0, 0]], np.float32)
    index = ball(points[1:] - 0.1, points, radius=2, count=5, variant=variant)
    assert index.tolist() == [[1, 0, 1, 1, 1] if variant == "ours" else [0, 1, 0, 0, 0]]


def test_counts_sum_over_neighbours():
    index = jnp.array([[2, 0, 2], [1, 1, 1]])
    assert counts(index, 3, jnp.float32).tolist() == [[1, 0, 2], [0, 3, 0]]

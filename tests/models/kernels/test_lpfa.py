"""The fused LPFA, interpreted on a CPU, against the plain one: values, statistics and all gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from networks import fast_to_compile, row, variables_of
from smiles import precision

from dfuse_jax.models.cloud import Cloud, edge_moments, list_incoming, nearest
from dfuse_jax.models.curvenet.lpfa import LPFA


def clouds(frames: int, points: int, neighbours: int, train: bool) -> Cloud:
    positions = jnp.asarray(np.random.default_rng(0).normal(size=(frames, points, 3)), float)
    index = nearest(positions, neighbours + 1).astype(jnp.int16)
    moments = edge_moments(positions, index[..., :-1], frames_at_once=None) if train else None
    return Cloud(positions, index, moments, list_incoming(index[..., :-1]))


def pull(kernels: str, x, cloud: Cloud, *, train: bool, replicas: int | None = None):
    """Returns output, statistics, and gradients of parameters, features and points, for a made-up loss."""
    module = LPFA(frames_at_once=None, kernels=kernels)
    variables = dict(variables_of(module, row(x, 0) if replicas else x, cloud, train=False, replicas=replicas))
    params = variables.pop("params")
    weights = jnp.asarray(np.random.default_rng(1).normal(size=x.shape), x.dtype)

    def one(params, collections, x, weights, points):
        def loss(params, x, points):
            own = cloud._replace(points=points)
            result = module.apply({"params": params, **collections}, x, own, train, mutable=["batch_stats"])
            return jnp.sum(result[0] * weights), result

        (_, result), gradients = jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True)(params, x, points)
        return result, gradients

    function = jax.vmap(one, in_axes=(0, 0, 0, 0, None)) if replicas else one
    return jax.device_get(fast_to_compile(function)(params, variables, x, weights, cloud.points))


def compare(plain, fused, tolerance: float):
    """Holds every array against the largest value of the plain one."""
    for (path, expected), actual in zip(
        jax.tree_util.tree_leaves_with_path(plain), jax.tree.leaves(fused), strict=True
    ):
        expected, actual = np.asarray(expected, float), np.asarray(actual, float)
        scale = np.max(np.abs(expected))
        np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * scale, err_msg=jax.tree_util.keystr(path))


def features(*shape: int, dtype=float):
    return jnp.asarray(np.random.default_rng(2).normal(size=shape), dtype)


@pytest.mark.parametrize(("points", "neighbours", "width"), [(33, 4, 5), (40, 3, 16), (9, 8, 17)])
def test_training_agrees_in_float64(points, neighbours, width):
    with precision(True):
        cloud, x = clouds(2, points, neighbours, train=True), features(2, points, width)
        compare(pull("plain", x, cloud, train=True), pull("fused", x, cloud, train=True), 1e-12)


def test_evaluation_agrees_in_float64():
    with precision(True):
        cloud, x = clouds(1, 35, 5, train=False), features(1, 35, 8)
        compare(pull("plain", x, cloud, train=False), pull("fused", x, cloud, train=False), 1e-12)


def test_replicas_agree_in_float64():
    with precision(True):
        cloud, x = clouds(2, 33, 3, train=True), features(3, 2, 33, 8)
        plain, fused = (pull(kernels, x, cloud, train=True, replicas=3) for kernels in ("plain", "fused"))
        compare(plain, fused, 1e-12)


def test_training_agrees_in_float32():
    cloud, x = clouds(2, 33, 4, train=True), features(2, 33, 8)
    compare(pull("plain", x, cloud, train=True), pull("fused", x, cloud, train=True), 1e-5)


def test_bfloat16_is_as_near_to_float64_as_the_plain_version():
    x = features(2, 64, 16, dtype=jnp.bfloat16)
    cloud = clouds(2, 64, 6, train=True)
    plain, fused = (pull(kernels, x, cloud, train=True) for kernels in ("plain", "fused"))
    with precision(True):
        exact = pull("plain", x.astype(jnp.float64), clouds(2, 64, 6, train=True), train=True)
    for expected, a, b in zip(*map(jax.tree.leaves, (exact, plain, fused)), strict=True):
        errors = [np.sqrt(np.mean((np.asarray(y, float) - expected) ** 2)) for y in (a, b)]
        scale = np.sqrt(np.mean(expected**2))
        assert errors[1] < max(1.2 * errors[0], 0.004 * scale)


def test_every_edge_is_listed_by_its_neighbour():
    index = np.asarray(nearest(jnp.asarray(np.random.default_rng(0).normal(size=(2, 30, 3))), 5))
    sources, first = jax.device_get(list_incoming(jnp.asarray(index)))
    for frame in range(2):
        for point in range(30):
            listed = sources[frame, first[frame, point] : first[frame, point + 1]]
            np.testing.assert_array_equal(listed, np.flatnonzero((index[frame] == point).any(axis=1)))

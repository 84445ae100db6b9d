"""The fused curve aggregation against the plain one."""

import jax.numpy as jnp
import pytest
from kernels import KINDS, compare, compare_errors, features, pull
from smiles import precision

from dfuse_jax.models.curvenet.curves import CurveAggregation


def both(*inputs, **settings):
    return [pull(CurveAggregation(frames_at_once=None, kernels=kind), *inputs, **settings) for kind in KINDS]


@pytest.mark.parametrize(("points", "curves", "width"), [(33, 7, 6), (20, 17, 18)])
def test_training_agrees_in_float64(points, curves, width):
    with precision(True):
        compare(*both(features(2, points, width), features(2, curves, 3, width), train=True), 1e-12)


def test_evaluation_agrees_in_float64():
    with precision(True):
        compare(*both(features(1, 35, 8), features(1, 5, 2, 8), train=False), 1e-12)


@pytest.mark.long
def test_replicas_agree_in_float64():
    with precision(True):
        compare(*both(features(3, 2, 33, 8), features(3, 2, 6, 2, 8), train=True, replicas=3), 1e-12)


@pytest.mark.long
def test_training_agrees_in_float32():
    compare(*both(features(2, 33, 8), features(2, 10, 3, 8), train=True), 1e-5)


@pytest.mark.long
def test_bfloat16_is_as_near_to_float64_as_the_plain_version():
    """By the errors of three replicas together: some parameters are so few that one replica's are chance."""
    inputs = features(3, 2, 64, 16, dtype=jnp.bfloat16), features(3, 2, 20, 5, 16, dtype=jnp.bfloat16)
    plain, fused = both(*inputs, train=True, replicas=3)
    with precision(True):
        module = CurveAggregation(frames_at_once=None, kernels="plain")
        exact = pull(module, *(x.astype(jnp.float64) for x in inputs), train=True, replicas=3)
    compare_errors(exact, plain, fused, factor=1.2, floor=0.004)

"""Sizes of models: parameters as published, and how many frames a platform computes at once."""

import math

import jax
import numpy as np
import pytest
from goldens import TENSORS
from networks import TINY, ignore_blind

from dfuse_jax.models import FUSIONS, DFuseSmileNet
from dfuse_jax.models.sizes import classifier_shapes, count_parameters, encoder_shapes, frames_at_once

pytestmark = ignore_blind


def fusion_parameters(fusion: str) -> int:
    shapes = classifier_shapes(DFuseSmileNet(fusion=fusion, variant="authors"))
    return sum(math.prod(shape) for path, shape in shapes.items() if path.startswith("params/fusion/"))


def test_published_parameters():
    for fusion, count in TENSORS["parameters"].items():
        assert count_parameters(DFuseSmileNet(fusion=fusion, variant="authors")) == count
    for fusion, shapes in TENSORS["head"].items():
        own = sum(int(np.prod(shape)) for name, shape in shapes.items() if not name.startswith("smile_head"))
        assert fusion_parameters(fusion) == own
    assert fusion_parameters("none") == 0


def test_every_fusion_has_its_count():
    assert TENSORS["parameters"].keys() < FUSIONS.keys()
    encoder = count_parameters(DFuseSmileNet(**TINY, fusion="none"))
    assert all(count_parameters(DFuseSmileNet(**TINY, fusion=f)) > encoder for f in FUSIONS if f != "none")


def test_the_encoders_shapes_are_its_own():
    model = DFuseSmileNet(**TINY)
    shapes = encoder_shapes(model)
    assert shapes["params/tokens/kernel"] == (32, 4)
    assert shapes["batch_stats/tokens_norm/mean"] == (4,)
    shapes.clear()  # a caller's own copy
    assert encoder_shapes(model.clone(frames_at_once=3, dropout=0.5))


def test_counting_takes_a_model_with_a_traced_rate():
    counts = []

    def count(rate):
        counts.append(count_parameters(DFuseSmileNet(**TINY, dropout=rate)))
        return rate

    jax.jit(count)(0.1)
    assert counts == [count_parameters(DFuseSmileNet(**TINY))]


@pytest.mark.parametrize(
    ("platform", "replicas", "frames"),
    [
        # 478 points x 20 neighbours x 32 features x 4 bytes are 1,223,680 bytes a frame.
        ("cpu", 1, 4),  # of 5 MiB
        ("cpu", 10, 4),
        ("gpu", 1, 877),  # of 1 GiB
        ("gpu", 10, 87),
        ("tpu", 10**6, 1),
    ],
)
def test_frames_at_once(platform, replicas, frames):
    assert frames_at_once(DFuseSmileNet(), platform, replicas=replicas) == frames

"""Dibeklioglu et al. 2015: features under every option, rules of combination, and machines for each group."""

import json

import numpy as np
import pytest

from configs import dibeklioglu15 as recipe
from dfuse_jax import dmarkers, systems
from dfuse_jax.data import synthetic
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.systems import dibeklioglu15
from dfuse_jax.systems.classical import inner_splits

RUNS = {"definition": "paper", "smoothing": "4253H"}
LABELS = np.arange(40) % 2


def test_features_are_the_d_markers_of_the_definition_paper():
    samples = synthetic.generate(3, 2, seed=4)
    expected = dmarkers.compute_batch(
        [sample.landmarks for sample in samples],
        [sample.fps for sample in samples],
        aspect=[sample.aspect for sample in samples],
        smoothing="4253H",
    )
    np.testing.assert_allclose(dibeklioglu15.dmarkers_of(samples, **RUNS), expected, rtol=1e-5, atol=1e-6)


def test_rules_of_combination():
    probabilities = np.array([[0.9, 0.4], [0.6, 0.4], [0.3, 0.9]])
    np.testing.assert_allclose(dibeklioglu15.combine(probabilities, "sum"), [0.6, 17 / 30])
    np.testing.assert_allclose(dibeklioglu15.combine(probabilities, "vote"), [2 / 3, 1 / 3])
    np.testing.assert_allclose(
        dibeklioglu15.combine(probabilities, "product"), [0.162 / (0.162 + 0.028), 0.144 / (0.144 + 0.036)]
    )


@pytest.mark.parametrize(("groups", "kernel"), [(1, "linear"), (3, "rbf"), (9, "linear")])
def test_every_group_has_a_machine_that_reads_its_own_features(groups, kernel, monkeypatch):
    monkeypatch.setattr(dibeklioglu15, "COSTS", (0.1, 1.0))
    rng = np.random.default_rng(2)
    features = rng.standard_normal((40, 36))
    features[:, -4:] += 6 * LABELS[:, None]  # in the last group alone
    fitted = dibeklioglu15.learn(
        features, LABELS, inner_splits(LABELS, np.arange(40)), groups=groups, rule="sum", kernel=kernel
    )
    assert len(fitted.machines) == groups
    last = fitted.machines[-1].predict_proba(np.split(features, groups, axis=1)[-1])[:, 1]
    np.testing.assert_array_equal(last > 0.5, LABELS == 1)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"model.fusion": "all"}, "config.model.fusion is 'all'; it must be one of early, mid, late"),
        ({"model.phases": "whole"}, "config.model.phases"),
        ({"dmarkers.definition": "authors"}, "config.dmarkers.definition"),
        ({"dmarkers.definition": "robust", "dmarkers.smoothing": "", "model.increments": True}, "'robust'"),
        ({"dmarkers.definition": "robust"}, "smooths the signals itself"),
    ],
)
def test_what_cannot_be_is_refused(fields, words):
    config = recipe.get_config()
    config.update_from_flattened_dict(fields)
    with pytest.raises(UserError, match=words):
        systems.build(json.loads(json.dumps(config.to_dict())))

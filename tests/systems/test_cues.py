"""The evidence that a system is what its name says: it reads its own cue and no other, and nothing in shuffled labels.

The classes of the planted smiles differ in one cue alone. On it a system must be right on 95% of the videos of unseen
people; on one that it cannot see, or with shuffled labels, its accuracy must be within the binomial 99% of a coin's.
"""

import dataclasses
import importlib
from typing import NamedTuple

import numpy as np
import planted
import pytest
from scipy.stats import binom

from dfuse_jax import systems
from dfuse_jax.data import dataset
from dfuse_jax.data.folds import make_folds
from dfuse_jax.experiments.replicas import make_replicas
from dfuse_jax.systems import dibeklioglu15

VIDEOS = 120


class Case(NamedTuple):
    """A system, a cue that it reads and one that it cannot see.

    Attributes:
        fields: of its demo recipe that are changed.
        folds: fewer cost less.
    """

    system: str
    read: str
    unread: str
    fields: dict
    folds: int = 5


# Cohn's system sees the lip corners alone, that of 2010 the lids in phases of the lip corners, that of 2015 the eleven
# points of Table 1.
CLASSICAL = [
    Case("cohn04", "onset", "lids", {}),
    Case("dibeklioglu10", "lids", "asymmetry", {}),
    Case("dibeklioglu10", "lids", "asymmetry", {"model.classifier": "neighbours"}),
    Case("dibeklioglu10", "lids", "asymmetry", {"model.classifier": "hmm"}),
    Case("dibeklioglu15", "asymmetry", "brows", {}),
]
# Networks that see clips alone do not know the frame rate. For OTHERS no recipe is known yet that is right on 95% in
# minutes, so only what they cannot see is tested.
NETWORKS = [Case("landmark_vit", "brows", "frame_rate", {}, folds=2)]
OTHERS = [
    Case(name, "brows", "frame_rate", {}, folds=2)
    for name in ("pstnet", "p4transformer", "meshsmilenet", "deepmarkernet")
]


def name(case):
    return "-".join([case.system, *map(str, case.fields.values())])


def slow(cases):
    return [pytest.param(case, marks=pytest.mark.slow) for case in cases]


reading = pytest.mark.parametrize("case", [*CLASSICAL, *slow(NETWORKS)], ids=name)
every = pytest.mark.parametrize("case", [*CLASSICAL, *slow(NETWORKS), *slow(OTHERS)], ids=name)


@pytest.fixture(autouse=True)
def _fewer_costs(monkeypatch):
    monkeypatch.setattr(dibeklioglu15, "COSTS", (0.01, 1.0))  # a third of the time


def accuracy(case, samples, directory):
    """Accuracy on unseen people after the last epoch."""
    config = importlib.import_module(f"configs.{case.system}").get_config()
    config.update_from_flattened_dict(case.fields)
    labels, subjects = np.asarray(dataset.list_labels(samples)), dataset.list_subjects(samples)
    replicas = make_replicas(make_folds(labels, subjects, case.folds), labels, subjects)
    whole = [replica for replica in replicas if not replica.validated]
    system = systems.build(config.to_dict())
    history = system.fit(system.inputs(samples), whole, directory)
    correct = [
        (history.probabilities[-1, number, : len(replica.test)] >= 0.5) == labels[replica.test]
        for number, replica in enumerate(whole)
    ]
    return np.concatenate(correct).mean()


def is_chance(value):
    low, high = binom.interval(0.99, VIDEOS, 0.5)
    return low / VIDEOS <= value <= high / VIDEOS


@reading
def test_a_system_reads_its_cue(case, tmp_path):
    assert accuracy(case, planted.smiles(VIDEOS, case.read, seed=5), tmp_path) >= 0.95


@every
def test_a_system_does_not_read_what_it_cannot_see(case, tmp_path):
    value = accuracy(case, planted.smiles(VIDEOS, case.unread, seed=5), tmp_path)
    assert is_chance(value), value


@every
def test_shuffled_labels_leave_chance(case, tmp_path):
    samples = planted.smiles(VIDEOS, case.read, seed=8)
    labels = np.random.default_rng(1).permutation(dataset.list_labels(samples))
    shuffled = [dataclasses.replace(sample, label=int(label)) for sample, label in zip(samples, labels, strict=True)]
    value = accuracy(case, shuffled, tmp_path)
    assert is_chance(value), value


@pytest.mark.slow
@pytest.mark.parametrize("cue", ["onset", "lids", "asymmetry"])
def test_the_support_vector_machines_read_every_region(cue, tmp_path):
    case = Case("dibeklioglu15", cue, "brows", {})
    assert accuracy(case, planted.smiles(VIDEOS, cue, seed=6), tmp_path) >= 0.95

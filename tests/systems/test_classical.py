"""Hand-crafted systems on landmarks: closed forms, inner splits, and which cues each of them reads."""

import dataclasses
import json

import jax.numpy as jnp
import numpy as np
import planted
import pytest
from scipy.stats import binom

from dfuse_jax import dmarkers, systems
from dfuse_jax.data import dataset, synthetic
from dfuse_jax.data.folds import make_folds
from dfuse_jax.experiments.replicas import make_replicas
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.systems import cohn04, dibeklioglu10, dibeklioglu15
from dfuse_jax.systems.classical import inner_splits
from dfuse_jax.systems.search import Strongest

CONFIGS = {
    "cohn04": {"model": {"side": "mean", "features": "full"}},
    "dibeklioglu10": {"model": {"classifier": "naive_bayes"}},
    "dibeklioglu15": {
        "model": {"fusion": "mid", "rule": "sum", "kernel": "linear"},
        "dmarkers": {"definition": "paper", "smoothing": "4253H"},
    },
}


def build(name, **model):
    config = json.loads(json.dumps(CONFIGS[name]))
    config["model"] |= model
    return systems.build({"system": name, **config})


# --- Cohn and Schmidt 2004


def test_timing_of_a_ramp_of_known_slope():
    frames, fps, slope = 40, 25.0, 0.5
    lip = 0.5 + slope * np.clip(np.arange(frames) - 10, 0, 15) / fps
    amplitude, duration, mean, peak = cohn04.timing(jnp.asarray(lip), jnp.asarray(fps), jnp.asarray(frames))
    np.testing.assert_allclose([amplitude, duration, mean, peak], [slope * 15 / fps, 15 / fps, slope, slope], rtol=1e-5)


def test_twice_the_frame_rate_halves_times_and_doubles_speeds():
    rng = np.random.default_rng(0)
    lip = jnp.asarray(np.cumsum(rng.standard_normal(60)))
    slow, fast = (np.asarray(cohn04.timing(lip, jnp.asarray(w), jnp.asarray(60))) for w in (25.0, 50.0))
    np.testing.assert_allclose(fast, slow * [1, 0.5, 2, 2], rtol=1e-5)


def test_a_smile_without_an_onset_has_no_timing():
    falling = jnp.linspace(1, 0, 20)
    np.testing.assert_array_equal(cohn04.timing(falling, jnp.asarray(25.0), jnp.asarray(20)), 0)


@pytest.mark.parametrize("side", cohn04.SIDES)
def test_timings_do_not_depend_on_place_size_and_turn_of_the_head(side):
    sample = synthetic.generate(1, 1, seed=2)[0]
    angle = np.radians(20)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    points = sample.landmarks * (1, sample.aspect, 1)
    moved = (0.7 * points @ turn.T + (0.1, 0.05, 0.2)) / (1, sample.aspect, 1)
    other = dataclasses.replace(sample, landmarks=moved.astype(np.float32))
    first, second = cohn04.timings([sample, other], side)
    assert first[0] > 0
    np.testing.assert_allclose(first, second, rtol=2e-2)


# --- Dibeklioglu et al. 2010


def test_the_angle_of_a_lid_in_closed_form():
    # Corners at -1 and 1, the lid at height h between them: the angle there is 2 atan(1 / h).
    points = np.zeros((1, 11, 3), np.float32)
    points[0, [0, 2]], points[0, [3, 5]] = ((-1, 0, 0), (1, 0, 0)), ((4, 0, 0), (6, 0, 0))
    points[0, 1], points[0, 4] = (0, -np.sqrt(3) / 2, 0), (5, -1 / 2, 0)  # in an image twice as high as wide
    right, left = dibeklioglu10.lid_angles(jnp.asarray(points), jnp.asarray(2.0))
    np.testing.assert_allclose([right[0], left[0]], [np.pi - 2 * np.arctan(1 / np.sqrt(3)), np.pi / 2], rtol=1e-5)


def test_eyelid_features_begin_with_the_d_markers_of_the_eye():
    samples = synthetic.generate(3, 2, seed=4)
    features = dibeklioglu10.lid_features(samples)
    expected = dmarkers.compute_batch(
        [sample.landmarks for sample in samples],
        [sample.fps for sample in samples],
        aspect=[sample.aspect for sample in samples],
        smoothing="4253H",
    )
    np.testing.assert_allclose(features[:, :75], expected[:, :75], rtol=1e-4, atol=1e-5)


# --- Dibeklioglu et al. 2015


def test_rules_of_combination():
    probabilities = np.array([[0.9, 0.4], [0.6, 0.4], [0.3, 0.9]])
    np.testing.assert_allclose(dibeklioglu15.combine(probabilities, "sum"), [0.6, 17 / 30])
    np.testing.assert_allclose(dibeklioglu15.combine(probabilities, "vote"), [2 / 3, 1 / 3])
    np.testing.assert_allclose(
        dibeklioglu15.combine(probabilities, "product"), [0.162 / (0.162 + 0.028), 0.144 / (0.144 + 0.036)]
    )


# --- what all share


def test_inner_splits_keep_subjects_apart_and_are_fewer_for_small_classes():
    subjects = np.repeat(np.arange(20), 3)
    labels = np.arange(60) % 2
    splits = inner_splits(labels, subjects)
    assert len(splits) == 5
    for train, test in splits:
        assert not set(subjects[train]) & set(subjects[test])
        assert set(labels[train]) == {0, 1}
    few = (np.arange(60) % 5 == 0).astype(int)  # 12 of one class
    assert len(inner_splits(few, subjects)) == 3


def test_a_class_of_one_subject_is_refused_in_one_line():
    with pytest.raises(UserError, match="two subjects of each class"):
        inner_splits(np.array([0, 0, 1, 1]), np.array([0, 1, 2, 2]))


def test_of_equal_scores_the_strongest_regularisation_is_chosen():
    results = {
        "mean_test_score": [0.7, 0.9, 0.9, 0.9, float("nan")],
        "params": [{"C": 1, "k": 5}, {"C": 10, "k": 5}, {"C": 1, "k": 20}, {"C": 1, "k": 10}, {"C": 0, "k": 5}],
    }
    assert Strongest(["C", "k"])(results) == 3


def accuracy(system, samples, tmp_path):
    """Accuracy on unseen subjects, in 5 folds."""
    labels, subjects = dataset.list_labels(samples), dataset.list_subjects(samples)
    replicas = make_replicas(make_folds(labels, subjects, 5), np.asarray(labels), subjects, validation_share=0.25)
    whole = [replica for replica in replicas if not replica.validated]
    history = system.fit(system.inputs(samples), whole, tmp_path)
    hits = [
        (history.probabilities[0, number, : len(replica.test)] >= 0.5) == np.asarray(labels)[replica.test]
        for number, replica in enumerate(whole)
    ]
    return np.concatenate(hits).mean()


# The cue that a system reads, and one that it cannot.
CUES = {"cohn04": ("onset", "lids"), "dibeklioglu10": ("lids", "asymmetry")}


@pytest.mark.parametrize("name", CUES)
def test_a_system_reads_its_cue_and_no_other(name, tmp_path):
    seen, unseen = (planted.smiles(120, cue, seed=5) for cue in CUES[name])
    system = build(name)
    assert accuracy(system, seen, tmp_path / "seen") >= 0.95
    low, high = binom.interval(0.99, 120, 0.5)
    assert low / 120 <= accuracy(system, unseen, tmp_path / "unseen") <= high / 120


@pytest.mark.slow
def test_the_support_vector_machines_read_every_cue(tmp_path):
    for cue in planted.CUES:
        system = build("dibeklioglu15")
        assert accuracy(system, planted.smiles(120, cue, seed=6), tmp_path / cue) >= 0.95


@pytest.mark.parametrize("name", CUES)
def test_shuffled_labels_leave_chance(name, tmp_path):
    samples = planted.smiles(120, CUES[name][0], seed=8)
    labels = np.random.default_rng(1).permutation(dataset.list_labels(samples))
    shuffled = [dataclasses.replace(sample, label=int(label)) for sample, label in zip(samples, labels, strict=True)]
    low, high = binom.interval(0.99, 120, 0.5)
    assert low / 120 <= accuracy(build(name), shuffled, tmp_path) <= high / 120


@pytest.mark.parametrize("name", CONFIGS)
def test_a_fit_is_kept_and_predicts_what_it_reported(name, tmp_path, monkeypatch):
    samples = synthetic.generate(24, 12, seed=3)
    labels, subjects = dataset.list_labels(samples), dataset.list_subjects(samples)
    replicas = make_replicas(make_folds(labels, subjects, 2), np.asarray(labels), subjects, runs=2)
    system = build(name)
    inputs = system.inputs(samples)
    history = system.fit(inputs, replicas, tmp_path)
    assert len(list(tmp_path.glob("*.skops"))) == 2  # runs of a fold, with and without a validation share, share one
    probabilities = system.predict(system.load(tmp_path, 2), inputs)
    for number, replica in enumerate(replicas[:2]):
        reported = history.probabilities[0, number, : len(replica.test)]
        np.testing.assert_allclose(probabilities[number, replica.test], reported, rtol=1e-6)
    monkeypatch.setattr(type(system), "_fit_one", lambda *_: pytest.fail("was fitted twice"))
    again = system.fit(inputs, replicas, tmp_path)
    np.testing.assert_array_equal(again.probabilities, history.probabilities)


@pytest.mark.parametrize("name", CONFIGS)
def test_still_faces_give_a_right_answer_and_no_nan(name, tmp_path):
    still = [
        dataclasses.replace(sample, landmarks=np.repeat(sample.landmarks[:1], 30, axis=0))
        for sample in synthetic.generate(16, 8, seed=1)
    ]
    assert accuracy(build(name), still, tmp_path) >= 0  # nan would compare False
    system = build(name)
    labels, subjects = dataset.list_labels(still), dataset.list_subjects(still)
    replicas = make_replicas(make_folds(labels, subjects, 2), np.asarray(labels), subjects)
    history = system.fit(system.inputs(still), replicas[:1], tmp_path / "one")
    assert np.isfinite(history.probabilities[0, 0, : len(replicas[0].test)]).all()


def test_a_damaged_classifier_is_refused_in_one_line(tmp_path):
    (tmp_path / "replicas.txt").write_text("fold_01.skops\n")
    (tmp_path / "fold_01.skops").write_bytes(b"not a classifier")
    with pytest.raises(UserError, match=r"fold_01\.skops: cannot be read"):
        build("cohn04").load(tmp_path, 1)


def test_programs_are_compiled_once_for_many_lengths():
    samples = synthetic.generate(4, 2, seed=5, frames=(70, 120))
    cohn04.timings(samples)
    before = cohn04._PROGRAMS["mean"]._cache_size()
    cohn04.timings(synthetic.generate(6, 3, seed=6, frames=(80, 300)))
    assert cohn04._PROGRAMS["mean"]._cache_size() == before

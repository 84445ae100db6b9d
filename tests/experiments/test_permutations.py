"""Retraining under permuted labels: which labels move, that the run itself stays as it is, and what is reported."""

import json

import numpy as np
import pytest
import toys

from dfuse_jax.data.folds import make_folds
from dfuse_jax.evaluate.retraining import p_value
from dfuse_jax.experiments import crossval, permutations
from dfuse_jax.runtime.errors import UserError


@pytest.fixture(autouse=True)
def known_toys():
    toys.register()


def recipe(system="pixels", count=3, **train):
    config = toys.recipe(system, **({"epochs": 2} | train))
    config.report = {"permutations": count}
    return config


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The folders of a run of a toy without and with three retrainings."""
    toys.register()
    folders = tmp_path_factory.mktemp("plain"), tmp_path_factory.mktemp("retrained")
    for folder, count in zip(folders, (0, 3), strict=True):
        crossval.cross_validate(recipe(count=count), folder)
    return folders


def read(folder):
    return json.loads((folder / "results.json").read_text())


def test_within_subjects_each_keeps_the_number_of_its_labels_and_the_folds_stay():
    subjects = np.repeat(np.arange(6), 4)
    labels = np.tile([1, 0, 0, 1, 0, 0, 0, 0], 3)  # every second subject has one class
    folds = make_folds(labels.tolist(), subjects.tolist(), 3)
    permuted, moved = permutations.permute(folds, labels, subjects, np.random.default_rng(0))
    assert moved == folds
    np.testing.assert_array_equal(np.bincount(subjects, permuted), np.bincount(subjects, labels))
    assert (permuted != labels).any()


def test_between_subjects_label_and_fold_move_together():
    """Each subject has one class: the classes of every fold are as they were, and subjects stay whole."""
    subjects = np.repeat(np.arange(12), 2)
    labels = np.repeat(np.arange(12) % 2, 2)
    folds = make_folds(labels.tolist(), subjects.tolist(), 3)
    permuted, moved = permutations.permute(folds, labels, subjects, np.random.default_rng(1))
    assert (permuted != labels).any()
    for old, new in zip(folds, moved, strict=True):
        for part in ("train", "test"):
            before, after = getattr(old, part), getattr(new, part)
            np.testing.assert_array_equal(np.bincount(labels[before]), np.bincount(permuted[after]))
        assert not set(subjects[new.train]) & set(subjects[new.test])
        assert len(new.train) + len(new.test) == 24


def test_p_counts_ties_and_is_never_zero():
    assert p_value(0.8, np.array([0.1, 0.8, 0.9])) == 0.75
    assert p_value(0.8, np.array([0.1] * 9)) == 0.1
    assert np.isnan(p_value(0.8, np.array([0.1, np.nan])))


def test_the_run_itself_is_the_same_to_the_bit(runs):
    plain, retrained = runs
    assert (plain / "predictions.csv").read_bytes() == (retrained / "predictions.csv").read_bytes()
    assert read(plain)["protocols"] == read(retrained)["protocols"]
    assert read(plain)["permutation"]["retrained"] is None


def test_results_and_report_say_what_the_retrainings_reached(runs):
    _, folder = runs
    results = read(folder)
    retrained = results["permutation"]["retrained"]
    assert retrained["permutations"] == 3 and retrained["within_subjects"]
    # One run: the first run's pooled score is that of the table.
    pooled = results["protocols"]["validated"]["pooled"]
    for metric, p in retrained["p"].items():
        assert p in (0.25, 0.5, 0.75, 1.0)
        np.testing.assert_allclose(retrained["score"][metric], pooled[metric]["value"])
    text = (folder / "report.md").read_text()
    assert "Trained anew 3 times after the labels of all videos changed places within subjects" in text
    assert "smallest p that so many can give is 0.2500" in text


@pytest.mark.long
def test_a_resumed_run_keeps_them(runs, tmp_path, monkeypatch):
    from dfuse_jax.experiments.progress import ProgressBar

    show = ProgressBar.__call__

    def interrupted(self, progress):
        show(self, progress)
        if progress.done == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(ProgressBar, "__call__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        crossval.cross_validate(recipe(), tmp_path)
    monkeypatch.setattr(ProgressBar, "__call__", show)
    crossval.cross_validate(recipe(), tmp_path)
    assert read(tmp_path)["permutation"] == read(runs[1])["permutation"]
    with pytest.raises(UserError, match=r"report\.permutations: 3 there, 4 now"):
        crossval.cross_validate(recipe(count=4), tmp_path)


def test_a_system_without_epochs_learns_the_permuted_labels(tmp_path):
    """The same videos train under other labels, so each retraining has a classifier of its own."""
    from configs import cohn04

    config = cohn04.get_config()
    config.data.update(videos=24, subjects=12)
    config.cv.update(folds=3)
    config.report.permutations = 4
    results = crossval.cross_validate(config, tmp_path)
    assert len(list((tmp_path / "checkpoints").glob("*.skops"))) == 3 * (1 + 4)
    retrained = results["permutation"]["retrained"]
    assert retrained["score"]["accuracy"] == results["protocols"]["validated"]["pooled"]["accuracy"]["value"]


def test_fewer_than_none_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"config\.report\.permutations is -1; it must be at least 0"):
        crossval.cross_validate(recipe(count=-1), tmp_path)

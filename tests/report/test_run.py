"""The report: numbers worked by hand, properties, a made-up run whose every protocol is known, and the files."""

import csv
import dataclasses
import json
import math
import os
import pathlib

import matplotlib.image
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score

from dfuse_jax.evaluate import metrics
from dfuse_jax.evaluate import results as tables
from dfuse_jax.evaluate.outcome import PROTOCOLS, Outcome, verdicts
from dfuse_jax.report import run as report
from dfuse_jax.report.run import curves, words
from dfuse_jax.train import Replica

PROBABILITY = st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.6, 0.9, 1.0])
VIDEOS = st.lists(st.tuples(st.integers(0, 1), PROBABILITY), min_size=1, max_size=12)
NONE = np.array([], int)


# --- metrics


def test_scores_by_hand():
    # posed: one of two right; spontaneous: two of three right (0.5 says spontaneous); 4 of the 6 pairs are in order.
    found = metrics.scores([0, 0, 1, 1, 1], [0.2, 0.7, 0.5, 0.9, 0.4])
    assert found == pytest.approx({"accuracy": 3 / 5, "balanced_accuracy": (1 / 2 + 2 / 3) / 2, "auc": 4 / 6})


@pytest.mark.parametrize("label", [0, 1])
def test_scores_of_one_class(label):
    found = metrics.scores([label] * 4, [0.9, 0.8, 0.7, 0.1])
    share = 0.75 if label else 0.25
    assert found["accuracy"] == found["balanced_accuracy"] == share
    assert math.isnan(found["auc"])


def test_what_is_not_a_number_is_wrong_for_both_classes():
    found = metrics.scores([0, 1], [np.nan, np.nan])
    assert found["accuracy"] == found["balanced_accuracy"] == 0
    assert math.isnan(found["auc"])


@settings(deadline=None)
@given(VIDEOS)
def test_scores_against_their_definitions(videos):
    labels, probabilities = map(np.array, zip(*videos, strict=True))
    found = metrics.scores(labels, probabilities)
    assert found["accuracy"] == np.mean((probabilities >= 0.5) == labels)
    posed, spontaneous = probabilities[labels == 0], probabilities[labels == 1]
    pairs = [(s > p) + 0.5 * (s == p) for p in posed for s in spontaneous]
    if pairs:
        assert found["auc"] == pytest.approx(np.mean(pairs))
        assert found["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(labels, probabilities >= 0.5))
    else:
        assert math.isnan(found["auc"])
        assert found["balanced_accuracy"] == found["accuracy"]


def test_interval_by_hand():
    # Folds' means 0.5, 0.6, 0.7: standard error 0.1 / sqrt(3), Student's t of 2 degrees at 97.5% is 4.30265.
    mean, low, high = metrics.interval([[0.4, 0.6, 0.8], [0.6, 0.6, 0.6]])
    assert (mean, low, high) == pytest.approx((0.6, 0.6 - 0.248414, 0.6 + 0.248414), abs=1e-5)
    # Repeating a run adds no information.
    assert metrics.interval([[0.5, 0.6, 0.7]] * 5) == pytest.approx((mean, low, high))


def test_interval_leaves_out_what_is_undefined():
    nan = np.nan
    assert metrics.interval([[0.5, nan, 0.7, nan], [nan, nan, 0.7, 0.6]]) == metrics.interval([[0.5, 0.7, 0.6]])
    assert np.isnan(metrics.interval([[nan, nan]])).all()


def test_interval_of_one_fold_has_no_bounds_and_wide_ones_are_clipped():
    mean, low, high = metrics.interval([[0.75], [0.25]])
    assert mean == 0.5
    assert math.isnan(low)
    assert math.isnan(high)
    assert metrics.interval([[0.0, 1.0]]) == (0.5, 0.0, 1.0)


def test_interval_covers_the_truth_as_often_as_it_says():
    draws = np.random.default_rng(0).normal(0.5, 0.05, (2000, 1, 7))
    bounds = np.array([metrics.interval(values)[1:] for values in draws])
    assert np.mean((bounds[:, 0] <= 0.5) & (bounds[:, 1] >= 0.5)) == pytest.approx(0.95, abs=0.015)


def test_choose_epoch_and_its_ties():
    labels = [1, 0]
    assert metrics.choose_epoch(labels, [[0.9, 0.6], [0.6, 0.4], [0.2, 0.1]]) == 1  # the most right
    assert metrics.choose_epoch(labels, [[0.6, 0.4], [0.8, 0.2], [0.7, 0.3]]) == 1  # as right, but surer
    assert metrics.choose_epoch(labels, [[0.1, 0.9], [0.8, 0.2], [0.8, 0.2]]) == 1  # the same: the earlier
    assert metrics.choose_epoch(labels, [[np.nan, np.nan], [0.4, 0.6]]) == 1  # a run that broke is never chosen
    assert metrics.choose_epoch([1], [[1.0], [1.0]]) == 0


def test_peeked_epoch_is_the_earliest_of_the_best():
    assert metrics.peeked_epoch([1, 0], [[0.1, 0.9], [0.6, 0.4], [0.99, 0.01]]) == 1


@pytest.mark.parametrize(("videos", "epochs", "value"), [(2, 1, 0.5), (1, 2, 0.75), (2, 300, 1), (2, 2, 11 / 16)])
def test_coin_flip_by_hand(videos, epochs, value):
    # (2, 2): both right in some epoch 7/16, none right in both 1/16, else half: 7/16 + (8/16) / 2 = 11/16.
    assert metrics.coin_flip(videos, epochs) == pytest.approx(value)


@pytest.mark.parametrize(("videos", "epochs"), [(3, 5), (12, 30), (124, 300)])
def test_coin_flip_against_coins(videos, epochs):
    heads = np.random.default_rng(1).binomial(videos, 0.5, (4000, epochs)).max(axis=1) / videos
    assert metrics.coin_flip(videos, epochs) == pytest.approx(heads.mean(), abs=5 * heads.std() / np.sqrt(4000))


def test_length_only_finds_a_planted_difference():
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 2, 600)
    train, test = np.arange(300), np.arange(300, 600)
    planted = metrics.length_only(rng.normal(150 + 100 * labels, 30), labels, train, test)
    assert metrics.scores(labels[test], planted)["accuracy"] > 0.9  # two normals 3.3 deviations apart: 95%
    alike = metrics.length_only(rng.normal(150, 30, 600), labels, train, test)
    assert metrics.scores(labels[test], alike)["auc"] == pytest.approx(0.5, abs=0.1)  # 3 standard errors


def test_length_only_of_one_class_or_one_length():
    assert (metrics.length_only([9, 8, 7, 6], [1, 1, 0, 0], [0, 1], [2, 3]) == 1).all()
    assert (metrics.length_only([9, 8, 7, 6], [1, 1, 0, 0], [2, 3], [0, 1]) == 0).all()
    assert metrics.length_only([50] * 6, [1, 0, 1, 0, 1, 0], [0, 1, 2, 3], [4, 5]) == pytest.approx([0.5, 0.5])


# --- a run that is known by hand: 6 videos, 2 folds, 1 run, 3 epochs, both kinds of replica


def outcome(**changes) -> Outcome:
    right, wrong = {1: 0.9, 0: 0.1}, {1: 0.2, 0: 0.8}
    labels = np.array([1, 0, 1, 0, 1, 0])
    replicas = [
        Replica(0, 1, np.array([0, 1, 2, 3]), NONE, np.array([5])),
        Replica(0, 0, np.array([4, 5]), np.array([2, 3]), np.array([0, 1])),
        Replica(0, 0, np.array([2, 3, 4, 5]), NONE, np.array([0, 1])),
        Replica(0, 1, np.array([0, 1]), np.array([2, 3]), np.array([5])),
    ]
    # What each epoch gets right of each evaluated video (val, then test).
    correct = [
        ["0", "1", "0"],  # fold 1, all: peeked epoch 2 (100%), final 0%
        ["1011", "1100", "0111"],  # fold 0, with val: epoch 2 is chosen, which gets both test videos wrong
        ["00", "00", "10"],  # fold 0, all: peeked = final = epoch 3 (50%)
        ["111", "110", "001"],  # fold 1, with val: epochs 1 and 2 are alike on val, so the earlier: 100% on one video
    ]
    probabilities = np.full((3, 4, 4), np.nan, np.float32)
    for r, replica in enumerate(replicas):
        videos = np.concatenate([replica.val, replica.test])
        for epoch in range(3):
            for e, v in enumerate(videos):
                probabilities[epoch, r, e] = (right if correct[r][epoch][e] == "1" else wrong)[labels[v]]
    fields = {
        "name": "hand",
        "note": "A made-up run.",
        "names": ["f", "e", "d", "c", "b", "a, é"],
        "subjects": list("uvwxyz"),
        "subjects_known": True,
        "labels": labels,
        "frames": np.array([30, 10, 32, 12, 34, 14]),
        "replicas": replicas,
        "losses": np.linspace(0.7, 0.1, 12).reshape(3, 4),
        "probabilities": probabilities,
        "seconds": 1.5,
        "epoch_seconds": 0.5,
        "fold_steps": 20,
        "clips": 400,
        "config": {"epochs": np.int64(3), "rates": (5e-4, math.inf)},
    }
    return Outcome(**fields | changes)


def accuracies(results: dict, protocol: str) -> list[tuple]:
    return [(row["fold"], row["epoch"], row["accuracy"]) for row in results["protocols"][protocol]["folds"]]


def test_protocols_by_hand():
    results = tables.results(outcome())
    assert accuracies(results, "final") == [(0, 3, 0.5), (1, 3, 0.0)]
    assert accuracies(results, "peeked") == [(0, 3, 0.5), (1, 2, 1.0)]
    assert accuracies(results, "validated") == [(0, 2, 0.0), (1, 1, 1.0)]
    assert accuracies(results, "length_only") == [(0, None, 1.0), (1, None, 1.0)]  # spontaneous videos are longer
    counts = [(row["n_train"], row["n_val"], row["n_test"]) for row in results["protocols"]["validated"]["folds"]]
    assert counts == [(2, 2, 2), (2, 2, 1)]
    validated = results["protocols"]["validated"]["summary"]
    assert validated["accuracy"] == {"mean": 0.5, "low": 0.0, "high": 1.0, "defined": "2 of 2"}
    assert validated["auc"] == {"mean": 0.0, "low": None, "high": None, "defined": "1 of 2"}
    assert results["protocols"]["peeked"]["coin_flip"] == (50 / 64 + 7 / 8) / 2  # 2 videos and 1, 3 epochs
    # As many posed as spontaneous train, which counts as spontaneous: half of fold 0 and none of fold 1.
    assert [row["accuracy"] for row in results["majority"]["folds"]] == [0.5, 0.0]
    assert results["majority"]["summary"]["accuracy"]["mean"] == 0.25


def test_majority_is_the_training_folds():
    replicas = [
        Replica(0, 0, np.array([1, 2, 3]), NONE, np.array([0])),
        Replica(0, 1, np.array([0]), NONE, np.array([3])),
    ]
    changed = outcome(replicas=replicas, probabilities=np.full((3, 2, 1), 0.5), losses=np.ones((3, 2)))
    folds = tables.results(changed)["majority"]["folds"]
    assert [row["accuracy"] for row in folds] == [0.0, 0.0]  # two of three posed; one spontaneous


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_peeking_never_loses(epochs, seed):
    made = outcome()
    probabilities = np.random.default_rng(seed).random((epochs, 4, 4))
    results = tables.results(dataclasses.replace(made, probabilities=probabilities, losses=np.ones((epochs, 4))))
    final, peeked = accuracies(results, "final"), accuracies(results, "peeked")
    assert all(p[2] >= f[2] for f, p in zip(final, peeked, strict=True))


def test_validated_never_reads_the_test_videos():
    made = outcome()
    other = made.probabilities.copy()
    other[:, 1, 2:] = 1 - other[:, 1, 2:]
    before, after = (verdicts(o)["validated"] for o in (made, outcome(probabilities=other)))
    assert [v.epoch for v in before] == [v.epoch for v in after]


def test_runs_are_averaged_within_their_fold():
    made = outcome()
    again = [dataclasses.replace(replica, run=1) for replica in made.replicas]
    doubled = outcome(
        replicas=[*made.replicas, *again],
        probabilities=np.concatenate([made.probabilities] * 2, axis=1),
        losses=np.concatenate([made.losses] * 2, axis=1),
    )
    one, two = tables.results(made), tables.results(doubled)
    assert two["runs"] == 2
    for protocol in PROTOCOLS:
        assert two["protocols"][protocol]["summary"] == one["protocols"][protocol]["summary"]
    assert words.fold_rows(two) == words.fold_rows(one)


def test_a_subject_on_both_sides_of_a_fold_is_told():
    assert "No fold shares a subject." in words.markdown(tables.results(outcome()))
    shared = tables.results(outcome(subjects=list("uvwxyw")))  # the video of fold 1 shares w with its training videos
    assert shared["data"]["folds_that_share_subjects"] == 1
    assert "1 folds train and test on the same subject" in words.markdown(shared)


def test_one_kind_of_replica_alone():
    made = outcome()
    for kind, headline in ((True, "validated"), (False, "final")):
        members = [r for r, replica in enumerate(made.replicas) if replica.validated == kind]
        alone = outcome(
            replicas=[made.replicas[r] for r in members],
            probabilities=made.probabilities[:, members],
            losses=made.losses[:, members],
        )
        results = tables.results(alone)
        assert results["protocols"][headline]["folds"]
        assert f"(`{headline}`)" in words.markdown(results)
        assert words.console(results)


# --- files


def test_files_and_their_order(tmp_path, monkeypatch):
    directory, written, replace = tmp_path / "a" / "b", [], os.replace

    def spy(source, target):
        written.append(pathlib.Path(target))
        replace(source, target)

    monkeypatch.setattr("os.replace", spy)
    results = report.write(directory, outcome())
    names = ["predictions.csv", "learning_curves.png", "report.md", "results.json"]
    assert [path.name for path in written if path.parent == directory] == names
    assert sorted(path.name for path in directory.iterdir()) == sorted(names)

    def constant(name):
        raise AssertionError(f"{name} is no JSON")

    content = (directory / "results.json").read_text()
    assert json.loads(content, parse_constant=constant) == results
    assert results["config"] == {"epochs": 3, "rates": [5e-4, None]}
    assert results["data"] == {
        "videos": 6,
        "subjects": 6,
        "folds_that_share_subjects": 0,
        "classes": {"posed": 3, "spontaneous": 3},
        "median_frames": {"posed": 12.0, "spontaneous": 32.0},
    }
    assert set(results["versions"]) >= {"dfuse_jax", "python"}


def test_a_report_that_fails_is_not_finished(tmp_path, monkeypatch):
    report.write(tmp_path, outcome())
    before = (tmp_path / "report.md").read_bytes()

    def fail(results):
        raise RuntimeError("full disk")

    monkeypatch.setattr(words, "markdown", fail)
    with pytest.raises(RuntimeError):
        report.write(tmp_path, outcome())
    assert not (tmp_path / "results.json").exists()
    assert (tmp_path / "report.md").read_bytes() == before


def test_unknown_subjects_are_not_called_disjoint(tmp_path):
    results = report.write(tmp_path, outcome(subjects_known=False))
    assert results["data"]["subjects"] is None
    text = (tmp_path / "report.md").read_text()
    assert "unknown subjects" in text and "No fold shares a subject" not in text


def test_speed_is_of_whole_epochs(tmp_path):
    speed = report.write(tmp_path, outcome())["speed"]
    assert speed == {"epoch_seconds": 0.5, "ms_per_fold_step": 25.0, "clips_per_second": 800.0}
    speed = report.write(tmp_path, outcome(epoch_seconds=None))["speed"]
    assert set(speed.values()) == {None}


def test_two_reports_of_one_run_differ_in_nothing(tmp_path):
    report.write(tmp_path / "a", outcome())
    shuffled = outcome()
    order = [3, 1, 0, 2]
    report.write(
        tmp_path / "b",
        outcome(
            replicas=[shuffled.replicas[r] for r in order],
            probabilities=shuffled.probabilities[:, order],
            losses=shuffled.losses[:, order],
            seconds=99.0,
        ),
    )
    for name in ("predictions.csv", "report.md"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_predictions(tmp_path):
    made = outcome()
    report.write(tmp_path, made)
    with open(tmp_path / "predictions.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == tables.COLUMNS
    keys = [(row["protocol"], row["fold"], row["video"]) for row in rows]
    assert len(keys) == len(set(keys)) == 4 * 3
    of_peeked = [row for row in rows if row["protocol"] == "peeked"]
    assert [row["video"] for row in of_peeked] == ["e", "f", "a, é"]  # by fold, then name
    last = of_peeked[2]
    assert (last["subject"], last["frames"], last["label"], last["run"]) == ("z", "14", "0", "0")
    assert np.float32(last["probability"]) == made.probabilities[1, 0, 0]
    assert float(last["probability"]) == float(made.probabilities[1, 0, 0])


def test_report_says_what_a_reader_must_know(tmp_path):
    report.write(tmp_path, outcome())
    content = (tmp_path / "report.md").read_text(encoding="utf-8")
    for part in (
        "# hand\n\nA made-up run.\n\n**Accuracy 50.0 [0.0, 100.0]%, AUC 0.0%** (`validated`)",
        "| `peeked` | 75.0 [0.0, 100.0] |",
        "would reach 82.8% accuracy",
        "does not show that the model is better than that",
        "`validated` 1 of 2",
        "| 0 | 2 | 2 | 2 | 0.0 | 50.0 | 50.0 | 100.0 | 2 |",
        "![Training loss and accuracy over the epochs](learning_curves.png)",
        '"epochs": 3',
    ):
        assert part in content


def test_a_control_below_the_interval_is_no_alarm():
    results = tables.results(outcome())
    good = {"mean": 0.9, "low": 0.8, "high": 1.0, "defined": "2 of 2"}
    bad = {"mean": 0.6, "low": 0.2, "high": 1.0, "defined": "2 of 2"}
    results["protocols"]["validated"]["summary"] = dict.fromkeys(metrics.METRICS, good)
    results["protocols"]["length_only"]["summary"] = dict.fromkeys(metrics.METRICS, bad)
    assert "It stays below the headline's interval." in words.markdown(results)
    results["protocols"]["length_only"]["summary"] |= {"auc": good}
    assert "in AUC: this run does not show" in words.markdown(results)


def test_console():
    lines = report.console(outcome()).splitlines()
    assert max(map(len, lines)) < 100
    assert lines[0].split() == ["fold", "train", "val", "test", *PROTOCOLS, "epoch"]
    assert lines[1].split() == ["0", "2", "2", "2", "0.0", "50.0", "50.0", "100.0", "2"]
    assert any(line.startswith("validated") and "50.0 [0.0, 100.0]" in line for line in lines)


# --- figures


def near(image: np.ndarray, colour: str) -> int:
    """Number of pixels of a colour."""
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return int((np.abs(image[..., :3] - rgb).max(axis=-1) < 0.02).sum())


@pytest.mark.parametrize("epochs", [1, 3])
def test_learning_curves(tmp_path, epochs):
    made = outcome()
    losses = made.losses[:epochs].copy()
    losses[0] = np.nan  # a fold that did not train a step
    made = dataclasses.replace(made, losses=losses, probabilities=made.probabilities[:epochs], name="a $ and a $")
    curves.learning_curves(tmp_path / "a.png", made)
    image = matplotlib.image.imread(tmp_path / "a.png")
    assert image.shape[:2] == (975, 1200)
    assert min(near(image, colour) for colour in (curves.BLUE, curves.ORANGE, curves.GREY)) > 20

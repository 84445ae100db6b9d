"""The words of a run: report.md and the terminal's table, of a made-up run that is known by hand."""

import dataclasses

import numpy as np
import pytest
from outcomes import only, outcome, outcome_without_epochs

from dfuse_jax.evaluate import metrics
from dfuse_jax.evaluate.outcome import PROTOCOLS
from dfuse_jax.evaluate.results import compute_results
from dfuse_jax.report.run import words


def test_report_says_what_a_reader_must_know():
    content = words.markdown(compute_results(outcome()))
    for part in (
        "# hand\n\nA made-up run.\n\n**Accuracy 50.0 [0.0, 100.0]%, AUC 0.0%** (`validated`)",
        "| `peeked` | 75.0 [0.0, 100.0] |",
        "would reach 82.8% accuracy",
        "does not show that the model is better than that",
        "`validated` 1 of 2",
        "2 folds, 1 run, 3 epochs.",
        "| 1 | 2 | 2 | 2 | 0.0 | 50.0 | 50.0 | 100.0 | 2 |",
        "| 2 | 2 | 2 | 1 | 100.0 | 0.0 | 100.0 | 100.0 | 1 |",
        "![Training loss and accuracy over the epochs: mean training loss 0.618 in epoch 1, 0.182 in epoch 3; accuracy "
        "of `final` on test videos in epoch 3, 25.0%.](learning_curves.png)",
        "![ROC curve: AUC 50.0 [0.0, 100.0]%",
        "Confusion: of the posed, 1 are called posed and 1 are called spontaneous; of the spontaneous, 1 are called "
        "posed and 0 are called spontaneous.](roc.png)",
        '"epochs": 3',
    ):
        assert part in content


def test_report_holds_nothing_that_changes_when_a_run_is_repeated():
    made = outcome()
    elsewhere = dataclasses.replace(made.environment, platform="cpu", device_kind="cpu", devices=1, processes=1)
    repeated = dataclasses.replace(made, seconds=99.0, epoch_seconds=7.0, environment=elsewhere)
    assert words.markdown(compute_results(made)) == words.markdown(compute_results(repeated))


def test_runs_are_averaged_within_their_fold():
    made = outcome()
    again = [dataclasses.replace(replica, run=1) for replica in made.replicas]
    doubled = outcome(
        replicas=[*made.replicas, *again],
        probabilities=np.concatenate([made.probabilities] * 2, axis=1),
        losses=np.concatenate([made.losses] * 2, axis=1),
    )
    assert words.fold_rows(compute_results(doubled)) == words.fold_rows(compute_results(made))


def test_a_subject_on_both_sides_of_a_fold_is_reported():
    assert "No fold trains and tests on the same subject." in words.markdown(compute_results(outcome()))
    shared = outcome(subjects=list("uvwxyw"))  # the video of fold 2 shares w with its training videos
    assert "**1 fold trains and tests on the same subject.**" in words.markdown(compute_results(shared))


def test_unknown_subjects_are_not_called_disjoint():
    text = words.markdown(compute_results(outcome(subjects_known=False)))
    assert "unknown subjects" in text and "No fold trains and tests on the same subject" not in text
    assert "may have subjects in common" in text


@pytest.mark.parametrize(("validated", "headline"), [(True, "validated"), (False, "final")])
def test_one_kind_of_replica_alone(validated, headline):
    made = outcome()
    members = [r for r, replica in enumerate(made.replicas) if replica.validated == validated]
    results = compute_results(only(made, members))
    assert f"(`{headline}`)" in words.markdown(results)
    assert words.console(results)


def test_without_epochs_the_report_says_that_there_is_no_epoch_to_choose():
    results = compute_results(outcome_without_epochs())
    text = words.markdown(results)
    assert "2 folds, 1 run, 1 epoch." in text and "there is no epoch to choose" in text
    assert "is not a result" not in text and "nan" not in text and "None" not in text
    assert "| 1 | 4 | 0 | 2 | 50.0 | 50.0 | 50.0 | 100.0 | 1 |" in text
    assert words.console(results).splitlines()[1].split() == ["1", "4", "0", "2", *["50.0"] * 3, "100.0", "1"]


def test_a_control_below_the_interval_is_no_alarm():
    results = compute_results(outcome())
    good = {"mean": 0.9, "low": 0.8, "high": 1.0, "defined": "2 of 2"}
    bad = {"mean": 0.6, "low": 0.2, "high": 1.0, "defined": "2 of 2"}
    results["protocols"]["validated"]["summary"] = dict.fromkeys(metrics.METRICS, good)
    results["protocols"]["length_only"]["summary"] = dict.fromkeys(metrics.METRICS, bad)
    assert "It stays below the headline's interval." in words.markdown(results)
    results["protocols"]["length_only"]["summary"] |= {"auc": good}
    assert "in AUC: this run does not show" in words.markdown(results)


def test_console():
    lines = words.console(compute_results(outcome())).splitlines()
    assert max(map(len, lines)) < 100
    assert lines[0].split() == ["fold", "train", "val", "test", *PROTOCOLS, "epoch"]
    assert lines[1].split() == ["1", "2", "2", "2", "0.0", "50.0", "50.0", "100.0", "2"]
    assert any(line.startswith("validated") and "50.0 [0.0, 100.0]" in line for line in lines)
    assert lines[-1] == "Took 1.5 s on 8 devices (gpu: NVIDIA H100 80GB HBM3), 2 processes, bfloat16"


def test_the_definition_of_the_dmarkers_is_named():
    results = compute_results(outcome())
    assert "D-Markers" not in words.markdown(results)  # the made-up system sees none
    results["config"] = {"dmarkers": {"definition": "robust", "smoothing": ""}}
    assert "* D-Markers: definition `robust`.\n" in words.markdown(results)
    assert "D-Markers: definition robust.\n" in words.console(results)
    results["config"] = {"dmarkers": {"definition": "paper", "smoothing": "4253H"}}
    assert "definition `paper`, smoothed by 4253H." in words.markdown(results)

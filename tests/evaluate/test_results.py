"""The numbers of results.json and predictions.csv, of a made-up run whose every protocol is known."""

import csv
import dataclasses
import importlib.metadata
import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from outcomes import NONE, accuracies, only, outcome, outcome_without_epochs

from dfuse_jax.evaluate import results
from dfuse_jax.evaluate.outcome import MODEL_PROTOCOLS, PROTOCOLS, Environment
from dfuse_jax.evaluate.results import compute_results, predictions_csv, read_results
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.train import Replica


def rows(made):
    return list(csv.DictReader(io.StringIO(predictions_csv(made), newline="")))


def test_protocols_by_hand():
    computed = compute_results(outcome())
    assert accuracies(computed, "final") == [(1, 3, 0.5), (2, 3, 0.0)]
    assert accuracies(computed, "peeked") == [(1, 3, 0.5), (2, 2, 1.0)]
    assert accuracies(computed, "validated") == [(1, 2, 0.0), (2, 1, 1.0)]
    assert accuracies(computed, "length_only") == [(1, None, 1.0), (2, None, 1.0)]  # spontaneous videos are longer
    counts = [(row["n_train"], row["n_val"], row["n_test"]) for row in computed["protocols"]["validated"]["folds"]]
    assert counts == [(2, 2, 2), (2, 2, 1)]
    validated = computed["protocols"]["validated"]["summary"]
    assert validated["accuracy"] == {"mean": 0.5, "low": 0.0, "high": 1.0, "defined": "2 of 2"}
    assert validated["auc"] == {"mean": 0.0, "low": None, "high": None, "defined": "1 of 2"}
    assert computed["protocols"]["peeked"]["coin_flip"] == (50 / 64 + 7 / 8) / 2  # 2 videos and 1, 3 epochs
    # As many posed as spontaneous train, which counts as spontaneous: half of fold 1 and none of fold 2.
    assert [row["accuracy"] for row in computed["majority"]["folds"]] == [0.5, 0.0]
    assert computed["majority"]["summary"]["accuracy"]["mean"] == 0.25


def test_runs_and_folds_count_from_1_wherever_a_user_sees_them():
    made = outcome()
    again = [dataclasses.replace(replica, run=1) for replica in made.replicas]
    doubled = outcome(
        replicas=[*made.replicas, *again],
        probabilities=np.concatenate([made.probabilities] * 2, axis=1),
        losses=np.concatenate([made.losses] * 2, axis=1),
    )
    computed = compute_results(doubled)
    for numbers in (*computed["protocols"].values(), computed["majority"]):
        assert [(row["run"], row["fold"]) for row in numbers["folds"]] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    assert {(row["run"], row["fold"]) for row in rows(doubled)} == {("1", "1"), ("1", "2"), ("2", "1"), ("2", "2")}


def test_majority_is_the_training_folds():
    replicas = [
        Replica(0, 0, np.array([1, 2, 3]), NONE, np.array([0])),
        Replica(0, 1, np.array([0]), NONE, np.array([3])),
    ]
    changed = outcome(replicas=replicas, probabilities=np.full((3, 2, 1), 0.5), losses=np.ones((3, 2)))
    folds = compute_results(changed)["majority"]["folds"]
    assert [row["accuracy"] for row in folds] == [0.0, 0.0]  # two of three posed; one spontaneous


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_peeking_never_loses(epochs, seed):
    made = outcome()
    probabilities = np.random.default_rng(seed).random((epochs, 4, 4))
    computed = compute_results(dataclasses.replace(made, probabilities=probabilities, losses=np.ones((epochs, 4))))
    final, peeked = accuracies(computed, "final"), accuracies(computed, "peeked")
    assert all(p[2] >= f[2] for f, p in zip(final, peeked, strict=True))


def test_runs_are_averaged_within_their_fold():
    made = outcome()
    again = [dataclasses.replace(replica, run=1) for replica in made.replicas]
    doubled = outcome(
        replicas=[*made.replicas, *again],
        probabilities=np.concatenate([made.probabilities] * 2, axis=1),
        losses=np.concatenate([made.losses] * 2, axis=1),
    )
    one, two = compute_results(made), compute_results(doubled)
    assert two["runs"] == 2
    for protocol in PROTOCOLS:
        assert two["protocols"][protocol]["summary"] == one["protocols"][protocol]["summary"]


@pytest.mark.parametrize(("validated", "headline"), [(True, "validated"), (False, "final")])
def test_the_headline_is_final_where_no_replica_gave_up_a_share(validated, headline):
    made = outcome()
    members = [r for r, replica in enumerate(made.replicas) if replica.validated == validated]
    computed = compute_results(only(made, members))
    assert computed["headline"] == headline
    assert computed["protocols"][headline]["folds"]


def test_without_epochs_there_is_one_set_of_predictions_and_no_speed():
    computed = compute_results(outcome_without_epochs())
    for protocol in MODEL_PROTOCOLS:
        assert accuracies(computed, protocol) == [(1, 1, 0.5), (2, 1, 0.0)]
        numbers = {key: value for key, value in computed["protocols"][protocol].items() if key != "coin_flip"}
        assert numbers == computed["protocols"]["final"]
    assert computed["headline"] == "validated" and computed["epochs"] == 1
    assert computed["protocols"]["peeked"]["coin_flip"] == 0.5
    assert set(computed["speed"].values()) == {None}
    probabilities = {
        protocol: [row["probability"] for row in rows(outcome_without_epochs()) if row["protocol"] == protocol]
        for protocol in MODEL_PROTOCOLS
    }
    assert probabilities["validated"] == probabilities["final"] == probabilities["peeked"]


def test_shared_subjects_are_counted_where_subjects_are_known():
    assert compute_results(outcome())["data"]["folds_that_share_subjects"] == 0
    shared = outcome(subjects=list("uvwxyw"))  # the video of fold 2 shares w with its training videos
    assert compute_results(shared)["data"]["folds_that_share_subjects"] == 1
    unknown = compute_results(outcome(subjects_known=False))["data"]
    assert unknown["subjects"] is None and unknown["folds_that_share_subjects"] is None


def test_results_describe_data_and_config_in_jsons_own_types():
    computed = compute_results(outcome())
    assert json.loads(json.dumps(computed, allow_nan=False)) == computed
    assert computed["config"] == {
        "system": "dfusesmilenet",
        "data": {"source": "folder"},
        "model": {"fusion": "film"},
        "epochs": 3,
        "rates": [5e-4, None],
    }
    assert computed["data"] == {
        "videos": 6,
        "subjects": 6,
        "folds_that_share_subjects": 0,
        "classes": {"posed": 3, "spontaneous": 3},
        "median_frames": {"posed": 12.0, "spontaneous": 32.0},
        "fps": [25, 50],
        "image_sizes": [[640, 480], [1920, 1080]],
    }


def test_results_say_on_what_they_were_computed():
    environment = Environment(
        platform="gpu", device_kind="H200", devices=4, processes=2, model_dtype="float32", jax_enable_x64=True
    )
    computed = compute_results(outcome(environment=environment))
    assert computed["environment"] == {
        "platform": "gpu",
        "device_kind": "H200",
        "devices": 4,
        "processes": 2,
        "model_dtype": "float32",
        "jax_enable_x64": True,
    }
    packages = ["jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "scikit-learn"]
    assert list(computed["versions"]) == ["dfuse_jax", "python", *packages]
    for package in packages:
        assert computed["versions"][package] == importlib.metadata.version(package)
    assert computed["versions"]["numpy"] == np.__version__


def test_speed_is_of_whole_epochs():
    speed = compute_results(outcome())["speed"]
    assert speed == {"epoch_seconds": 0.5, "ms_per_fold_step": 25.0, "clips_per_second": 800.0}
    speed = compute_results(outcome(epoch_seconds=None))["speed"]
    assert set(speed.values()) == {None}


def test_predictions():
    made = outcome()
    predictions = rows(made)
    assert tuple(predictions[0]) == results.PREDICTION_COLUMNS
    keys = [(row["protocol"], row["fold"], row["video"]) for row in predictions]
    assert len(keys) == len(set(keys)) == 4 * 3
    peeked = [row for row in predictions if row["protocol"] == "peeked"]
    assert [row["video"] for row in peeked] == ["e", "f", "a, é"]  # by fold, then name
    last = peeked[2]
    assert (last["subject"], last["frames"], last["label"]) == ("z", "14", "0")
    assert (last["run"], last["fold"]) == ("1", "2")
    assert np.float32(last["probability"]) == made.probabilities[1, 0, 0]
    assert float(last["probability"]) == float(made.probabilities[1, 0, 0])


def test_a_file_of_results_is_read_back_if_it_is_of_this_format(tmp_path):
    path = tmp_path / "results.json"
    with pytest.raises(FileNotFoundError):
        read_results(path)
    computed = compute_results(outcome())
    assert computed["format"] == results.FORMAT == 1
    path.write_text(json.dumps(computed))
    assert read_results(path) == computed
    for other, error, words in (
        ({**computed, "format": 2}, UserError, r"by a later dfuse_jax \(format 2; .* up to 1\)"),
        ({"name": "old"}, UserError, r"by dfuse_jax 0\.1: .* Train again into a new folder"),
        ([], ValueError, "holds no object"),
    ):
        path.write_text(json.dumps(other))
        with pytest.raises(error, match=words):
            read_results(path)
    path.write_text("{")
    with pytest.raises(ValueError, match="line 1"):
        read_results(path)


def test_values_by_run_and_fold_are_nan_where_there_is_none():
    values = [
        {"run": 2, "fold": 3, "auc": 0.5},
        {"run": 1, "fold": 3, "auc": None},
        {"run": 1, "fold": 1, "auc": 0.25},
    ]
    np.testing.assert_array_equal(results.by_run_and_fold(values, "auc"), [[0.25, np.nan], [np.nan, 0.5]])

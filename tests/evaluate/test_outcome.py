"""What each protocol takes from a run, also from one without epochs."""

import subprocess
import sys

import numpy as np
from outcomes import only, outcome, outcome_without_epochs
from scripts import ROOT

from dfuse_jax.evaluate.outcome import PROTOCOLS, full_training_folds, predictions_by_protocol


def epochs(made, protocol):
    return [fold.epoch for fold in predictions_by_protocol(made)[protocol]]


def test_protocols_take_their_epochs_by_run_and_fold():
    predictions = predictions_by_protocol(outcome())
    assert tuple(predictions) == PROTOCOLS
    for folds in predictions.values():
        assert [(fold.replica.run, fold.replica.fold) for fold in folds] == [(0, 0), (0, 1)]
    assert epochs(outcome(), "validated") == [1, 0]
    assert epochs(outcome(), "final") == [2, 2]
    assert epochs(outcome(), "peeked") == [2, 1]
    assert epochs(outcome(), "length_only") == [None, None]


def test_probabilities_are_those_of_the_replicas_own_videos():
    made = outcome()
    np.testing.assert_array_equal(made.validation_probabilities(1), made.probabilities[:, 1, :2])
    np.testing.assert_array_equal(made.test_probabilities(1), made.probabilities[:, 1, 2:])
    np.testing.assert_array_equal(made.test_probabilities(0), made.probabilities[:, 0, :1])
    assert made.validation_probabilities(0).shape == (3, 0)


def test_validated_never_reads_the_test_videos():
    made = outcome()
    other = made.probabilities.copy()
    other[:, 1, 2:] = 1 - other[:, 1, 2:]
    assert epochs(made, "validated") == epochs(outcome(probabilities=other), "validated")


def test_without_epochs_validated_final_and_peeked_are_the_same():
    for members in ([0, 1, 2, 3], [0, 2]):  # with replicas that gave up a share, and without
        predictions = predictions_by_protocol(only(outcome_without_epochs(), members))
        for protocol in ("validated", "final", "peeked"):
            folds = predictions[protocol]
            assert [(fold.replica.fold, fold.replica.validated, fold.epoch) for fold in folds] == [
                (0, False, 0),
                (1, False, 0),
            ]
            np.testing.assert_array_equal(folds[0].probabilities, outcome().probabilities[2, 2, :2])
            np.testing.assert_array_equal(folds[1].probabilities, outcome().probabilities[2, 0, :1])


def test_full_training_folds_have_the_validation_videos_back():
    folds = full_training_folds(outcome().replicas)
    assert [(fold.fold, list(fold.train), len(fold.val), list(fold.test)) for fold in folds] == [
        (0, [2, 3, 4, 5], 0, [0, 1]),
        (1, [0, 1, 2, 3], 0, [5]),
    ]


def test_evaluation_does_without_jax():
    modules = "metrics", "outcome", "paper", "results", "significance"
    imports = "; ".join(f"import dfuse_jax.evaluate.{module}" for module in modules)
    subprocess.run(
        [sys.executable, "-c", f"import sys; {imports}; assert 'jax' not in sys.modules"], cwd=ROOT, check=True
    )


def test_a_chosen_threshold_shifts_validated_alone_and_is_chosen_by_validation_videos():
    probabilities = outcome().probabilities.copy()
    # Fold 1's validation videos are spontaneous and posed. In epoch 2 one half gets the posed one wrong and 0.85 gets
    # both right; in the other epochs all are wrong, so epoch 2 is chosen.
    probabilities[:, 1, :2] = (0.1, 0.9), (0.95, 0.75), (0.1, 0.9)
    made = outcome(probabilities=probabilities, chooses_threshold=True)
    plain = predictions_by_protocol(outcome(probabilities=probabilities))
    shifted = predictions_by_protocol(made)
    assert shifted["validated"][0].epoch == plain["validated"][0].epoch == 1
    odds = probabilities[1, 1, 2:4] / (1 - probabilities[1, 1, 2:4]) / (0.85 / 0.15)
    np.testing.assert_allclose(shifted["validated"][0].probabilities, odds / (1 + odds), rtol=1e-5)
    for protocol in ("final", "peeked", "length_only"):
        for one, other in zip(shifted[protocol], plain[protocol], strict=True):
            np.testing.assert_array_equal(one.probabilities, other.probabilities)


def test_without_epochs_a_chosen_threshold_makes_validated_the_replica_with_a_share():
    folds = predictions_by_protocol(outcome_without_epochs(chooses_threshold=True))["validated"]
    assert [fold.replica.validated for fold in folds] == [True, True]

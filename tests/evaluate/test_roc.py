"""ROC curves and confusion, against scikit-learn and by hand."""

import numpy as np
import pytest
from outcomes import outcome
from scipy import stats
from sklearn.metrics import confusion_matrix, roc_auc_score

from dfuse_jax.evaluate import roc
from dfuse_jax.evaluate.outcome import predictions_by_protocol
from dfuse_jax.evaluate.resampling import Pooled


def pooled(videos, runs=1, *, seed=0, digits=9, subjects=None):
    """Random predictions, with ties where there are few digits."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(videos) % 3 == 0).astype(int)
    logits = rng.normal(labels, 1, (runs, videos))
    subjects = np.arange(videos) if subjects is None else rng.permutation(np.arange(videos) % subjects)
    return Pooled(labels, subjects, np.round(1 / (1 + np.exp(-logits)), digits))


@pytest.mark.parametrize("digits", [9, 1])
@pytest.mark.parametrize("runs", [1, 3])
def test_the_area_under_the_curve_is_the_auc(runs, digits):
    predictions = pooled(60, runs, digits=digits)
    curve = roc.average(predictions)
    expected = np.mean([roc_auc_score(predictions.labels, p) for p in predictions.probabilities])
    np.testing.assert_allclose(curve.true_positive_rate.mean(), expected)
    assert len(curve.false_positive_rate) == 40  # posed videos


def test_a_curve_by_hand():
    """Of two posed and two spontaneous videos the order is s p s p."""
    curve = roc.average(Pooled(np.array([0, 0, 1, 1]), np.arange(4), np.array([[0.6, 0.1, 0.9, 0.4]])))
    assert curve.false_positive_rate.tolist() == [0.25, 0.75]
    assert curve.true_positive_rate.tolist() == [0.5, 1.0]


def test_a_curve_of_many_videos_has_few_points_and_nearly_the_area():
    predictions = pooled(2000)
    curve = roc.average(predictions)
    assert len(curve.true_positive_rate) == roc.MOST_POINTS
    expected = roc_auc_score(predictions.labels, predictions.probabilities[0])
    np.testing.assert_allclose(curve.true_positive_rate.mean(), expected, atol=2e-3)


@pytest.mark.slow
def test_the_band_holds_the_true_curve_about_as_often_as_it_says():
    """Of logits N(label, 1) the true curve is Phi(1 + Phi^-1(false positive rate))."""
    held = []
    for seed in range(200):
        curve = roc.average(pooled(120, seed=seed))
        truth = stats.norm.cdf(1 + stats.norm.ppf(curve.false_positive_rate))
        held.append((curve.low <= truth) & (truth <= curve.high))
    middle = np.mean(held, axis=0)[10:70]  # at the ends few videos decide
    assert 0.88 < middle.mean() < 0.97


def test_the_band_is_wider_where_videos_come_in_subjects():
    """Copies of videos are no new subjects."""
    once = pooled(40)
    copied = Pooled(*(np.repeat(x, 4, axis=-1) for x in (once.labels, once.subjects, once.probabilities)))
    widths = [np.mean(curve.high - curve.low) for curve in map(roc.average, (once, copied))]
    np.testing.assert_allclose(widths[1], widths[0], rtol=0.05)


@pytest.mark.parametrize("labels", [[0, 0, 0], [1, 1, 1]])
def test_a_single_class_has_no_curve(labels):
    assert roc.average(Pooled(np.array(labels), np.arange(3), np.array([[0.1, 0.2, 0.3]]))) is None


def test_a_prediction_that_is_nan_leaves_no_curve_and_is_wrong():
    predictions = Pooled(np.array([0, 1]), np.arange(2), np.array([[np.nan, np.nan]]))
    assert roc.average(predictions) is None
    counts = roc.confusion(predictions, ("posed", "spontaneous"))
    assert counts == {"posed": {"posed": 0, "spontaneous": 1}, "spontaneous": {"posed": 1, "spontaneous": 0}}


def test_a_single_subject_has_no_band():
    curve = roc.average(pooled(9, subjects=1))
    assert np.isnan(curve.low).all() and np.isnan(curve.high).all() and np.isfinite(curve.true_positive_rate).all()


def test_confusion_is_that_of_scikit_learn_summed_over_runs():
    predictions = pooled(50, 3)
    counts = roc.confusion(predictions, ("posed", "spontaneous"))
    expected = sum(confusion_matrix(predictions.labels, p >= 0.5) for p in predictions.probabilities)
    assert [list(row.values()) for row in counts.values()] == expected.tolist()


def test_folds_of_one_class_have_no_curve():
    made = outcome()
    predictions = predictions_by_protocol(made)["final"]
    assert [fold.replica.test.tolist() for fold in predictions] == [[0, 1], [5]]
    ((false, true),) = roc.fold_curves(made.labels, predictions)
    # The spontaneous video has 0.9 and the posed one 0.8: the first is recognised before the second is an alarm.
    np.testing.assert_array_equal((false, true), [[0, 0, 1], [0, 1, 1]])

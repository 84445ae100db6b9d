"""Metrics: numbers worked by hand, their definitions, and coverage in simulations."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score

from dfuse_jax.evaluate import metrics

PROBABILITY = st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.6, 0.9, 1.0])
VIDEOS = st.lists(st.tuples(st.integers(0, 1), PROBABILITY), min_size=1, max_size=12)


def scores(labels, probabilities):
    return metrics.scores(np.array(labels), np.array(probabilities))


def interval(values):
    return metrics.confidence_interval(np.array(values))


def validated_epoch(labels, probabilities):
    return metrics.validated_epoch(np.array(labels), np.array(probabilities))


def peeked_epoch(labels, probabilities):
    return metrics.peeked_epoch(np.array(labels), np.array(probabilities))


def length_only(frames, labels, train, test):
    return metrics.length_only(np.array(frames), np.array(labels), np.array(train), np.array(test))


def test_scores_by_hand():
    # posed: one of two right; spontaneous: two of three right (0.5 says spontaneous); 4 of the 6 pairs are in order.
    by_hand = scores([0, 0, 1, 1, 1], [0.2, 0.7, 0.5, 0.9, 0.4])
    assert by_hand == pytest.approx({"accuracy": 3 / 5, "balanced_accuracy": (1 / 2 + 2 / 3) / 2, "auc": 4 / 6})


@pytest.mark.parametrize("label", [0, 1])
def test_scores_of_one_class(label):
    computed = scores([label] * 4, [0.9, 0.8, 0.7, 0.1])
    share = 0.75 if label else 0.25
    assert computed["accuracy"] == computed["balanced_accuracy"] == share
    assert math.isnan(computed["auc"])


def test_a_probability_that_is_not_a_number_is_wrong_for_both_classes():
    computed = scores([0, 1], [np.nan, np.nan])
    assert computed["accuracy"] == computed["balanced_accuracy"] == 0
    assert math.isnan(computed["auc"])


@settings(deadline=None)
@given(VIDEOS)
def test_scores_against_their_definitions(videos):
    labels, probabilities = map(np.array, zip(*videos, strict=True))
    computed = scores(labels, probabilities)
    assert computed["accuracy"] == np.mean((probabilities >= 0.5) == labels)
    posed, spontaneous = probabilities[labels == 0], probabilities[labels == 1]
    pairs = [(s > p) + 0.5 * (s == p) for p in posed for s in spontaneous]
    if pairs:
        assert computed["auc"] == pytest.approx(np.mean(pairs))
        assert computed["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(labels, probabilities >= 0.5))
    else:
        assert math.isnan(computed["auc"])
        assert computed["balanced_accuracy"] == computed["accuracy"]


def test_fold_means_leave_out_what_is_undefined():
    nan = np.nan
    means = metrics.fold_means(np.array([[0.25, nan, nan], [0.75, 0.5, nan]]))
    np.testing.assert_array_equal(means, [0.5, 0.5, nan])


def test_interval_by_hand():
    # Folds' means 0.5, 0.6, 0.7: standard error 0.1 / sqrt(3), Student's t of 2 degrees at 97.5% is 4.30265.
    mean, low, high = interval([[0.4, 0.6, 0.8], [0.6, 0.6, 0.6]])
    assert (mean, low, high) == pytest.approx((0.6, 0.6 - 0.248414, 0.6 + 0.248414), abs=1e-5)
    # Repeating a run adds no information.
    assert interval([[0.5, 0.6, 0.7]] * 5) == pytest.approx((mean, low, high))


def test_interval_leaves_out_what_is_undefined():
    nan = np.nan
    assert interval([[0.5, nan, 0.7, nan], [nan, nan, 0.7, 0.6]]) == interval([[0.5, 0.7, 0.6]])
    assert np.isnan(interval([[nan, nan]])).all()


def test_interval_of_one_fold_has_no_bounds_and_wide_ones_are_clipped():
    mean, low, high = interval([[0.75], [0.25]])
    assert mean == 0.5
    assert math.isnan(low)
    assert math.isnan(high)
    assert interval([[0.0, 1.0]]) == (0.5, 0.0, 1.0)


def test_interval_covers_the_truth_as_often_as_it_says():
    draws = np.random.default_rng(0).normal(0.5, 0.05, (2000, 1, 7))
    bounds = np.array([interval(values)[1:] for values in draws])
    assert np.mean((bounds[:, 0] <= 0.5) & (bounds[:, 1] >= 0.5)) == pytest.approx(0.95, abs=0.015)


def test_validated_epoch_and_its_ties():
    labels = [1, 0]
    assert validated_epoch(labels, [[0.9, 0.6], [0.6, 0.4], [0.2, 0.1]]) == 1  # the most right
    assert validated_epoch(labels, [[0.6, 0.4], [0.8, 0.2], [0.7, 0.3]]) == 1  # as right, but surer
    assert validated_epoch(labels, [[0.1, 0.9], [0.8, 0.2], [0.8, 0.2]]) == 1  # the same: the earlier
    assert validated_epoch(labels, [[np.nan, np.nan], [0.4, 0.6]]) == 1  # a run that broke is never chosen
    assert validated_epoch([1], [[1.0], [1.0]]) == 0


def test_peeked_epoch_is_the_earliest_of_the_best():
    assert peeked_epoch([1, 0], [[0.1, 0.9], [0.6, 0.4], [0.99, 0.01]]) == 1


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
    planted = length_only(rng.normal(150 + 100 * labels, 30), labels, train, test)
    assert scores(labels[test], planted)["accuracy"] > 0.9  # two normals 3.3 deviations apart: 95%
    alike = length_only(rng.normal(150, 30, 600), labels, train, test)
    assert scores(labels[test], alike)["auc"] == pytest.approx(0.5, abs=0.1)  # 3 standard errors


def test_length_only_of_one_class_or_one_length():
    assert (length_only([9, 8, 7, 6], [1, 1, 0, 0], [0, 1], [2, 3]) == 1).all()
    assert (length_only([9, 8, 7, 6], [1, 1, 0, 0], [2, 3], [0, 1]) == 0).all()
    assert length_only([50] * 6, [1, 0, 1, 0, 1, 0], [0, 1, 2, 3], [4, 5]) == pytest.approx([0.5, 0.5])


def test_the_best_threshold_balances_the_classes_and_lies_near_one_half():
    labels = np.array([0, 0, 1, 1, 1])
    assert metrics.best_threshold(labels, np.array([0.1, 0.7, 0.8, 0.9, 0.9])) == pytest.approx(0.75)
    assert metrics.best_threshold(labels, np.array([0.1, 0.2, 0.8, 0.9, 0.9])) == 0.5  # it separates them already
    assert metrics.best_threshold(labels, np.full(5, 0.9)) == 0.5
    assert metrics.best_threshold(np.ones(3, int), np.array([0.1, 0.2, 0.3])) == 0.5


def test_a_shift_brings_the_threshold_to_one_half_and_keeps_the_order():
    probabilities = np.array([0, 0.2, 0.75, 0.9, 1])
    shifted = metrics.shift(probabilities, 0.75)
    # Odds of 1/4, 3 and 9 divided by 3.
    np.testing.assert_allclose(shifted, [0, (1 / 12) / (13 / 12), 0.5, 0.75, 1])
    np.testing.assert_array_equal(metrics.shift(probabilities, 0.5), probabilities)

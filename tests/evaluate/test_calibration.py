"""What probabilities are worth, against scikit-learn and answers by hand."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from dfuse_jax.evaluate import calibration


@pytest.fixture(scope="module")
def predictions():
    """Labels and probabilities that are three times too confident in their logits."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1.5, 4000)
    labels = (rng.random(4000) < 1 / (1 + np.exp(-logits))).astype(int)
    return labels, 1 / (1 + np.exp(-3 * logits))


def test_brier_score_and_bins_are_scikit_learns(predictions):
    labels, probabilities = predictions
    np.testing.assert_allclose(calibration.brier(labels, probabilities), brier_score_loss(labels, probabilities))
    observed, predicted = calibration_curve(labels, probabilities, n_bins=10)
    bins = calibration.reliability(labels, probabilities)
    np.testing.assert_allclose([b.observed for b in bins], observed)
    np.testing.assert_allclose([b.predicted for b in bins], predicted)
    assert sum(b.count for b in bins) == 4000


def test_calibration_error_by_hand():
    labels, probabilities = np.array([1, 0, 0, 1]), np.array([0.42, 0.48, 0.97, 1.0])
    bins = calibration.reliability(labels, probabilities)
    assert [b.count for b in bins] == [0, 0, 0, 0, 2, 0, 0, 0, 0, 2]
    np.testing.assert_allclose(calibration.calibration_error(bins), (0.05 + 0.485) / 2)


def test_the_temperature_takes_the_confidence_back(predictions):
    labels, probabilities = predictions
    temperature = calibration.temperature(labels, probabilities)
    np.testing.assert_allclose(temperature, 3, rtol=0.1)
    cooled = calibration.cooled(probabilities, temperature)
    before, after = (calibration.calibration_error(calibration.reliability(labels, p)) for p in (probabilities, cooled))
    assert before > 0.1
    assert after < 0.03
    assert ((cooled >= 0.5) == (probabilities >= 0.5)).all()


def test_few_videos_choose_a_temperature_by_hand():
    """The targets of one video each are 2/3 and 1/3."""
    probabilities = np.array([0.9, 0.1])
    expected = np.log(9) / np.log(2)
    np.testing.assert_allclose(calibration.temperature(np.array([1, 0]), probabilities), expected, rtol=1e-3)
    np.testing.assert_allclose(calibration.temperature(np.array([0, 1]), probabilities), 10, rtol=1e-3)
    assert calibration.temperature(probabilities[:0].astype(int), probabilities[:0]) == 1
    assert calibration.temperature(np.array([1, 0]), np.full(2, np.nan)) == 1


def test_accuracy_with_abstention_by_hand():
    labels = np.array([1, 1, 0, 0, 1, 0, 1, 0, 1, 0])
    probabilities = np.array([0.99, 0.9, 0.05, 0.2, 0.8, 0.8, 0.2, 0.4, 0.45, np.nan])
    # By confidence: right, right (0.05), right (0.9), then four of confidence 0.3, of which two are right, then 0.4
    # right, 0.45 wrong, and nan, which is wrong and the least confident.
    accuracy = {row["share"]: row["accuracy"] for row in calibration.abstention(labels, probabilities)}
    np.testing.assert_allclose(accuracy[1.0], 0.6)
    np.testing.assert_allclose(accuracy[0.9], 6 / 9)
    np.testing.assert_allclose(accuracy[0.8], 6 / 8)
    np.testing.assert_allclose(accuracy[0.5], (3 + 2 * 0.5) / 5)
    np.testing.assert_allclose(accuracy[0.3], 1)
    np.testing.assert_allclose(accuracy[0.1], 1)


def test_nothing_has_no_score():
    nothing = np.array([])
    assert np.isnan(calibration.brier(nothing, nothing))
    assert np.isnan(calibration.calibration_error(calibration.reliability(nothing, nothing)))

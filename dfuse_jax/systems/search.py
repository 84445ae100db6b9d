"""The choice of features and settings by an inner cross-validation."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_sample_weight

from dfuse_jax.systems.mrmr import MRMR

COSTS = tuple(10.0**exponent for exponent in range(-3, 4))  # of a support vector machine
WIDTHS = tuple(2.0**exponent for exponent in range(-2, 3))  # of its kernel: gamma, times the features' scale
# libsvm may need millions of steps at the largest costs, which win only where they change nothing.
MAX_STEPS = 20_000
CALIBRATED = ("sklearn.calibration._CalibratedClassifier", "sklearn.calibration._SigmoidCalibration")  # skops' names
TIE = 1e-9  # scores that differ by less are equal

Split = tuple[Int[np.ndarray, " train"], Int[np.ndarray, " test"]]


def choose(
    classifier: Any,
    features: Float[np.ndarray, "videos features"],
    labels: Int[np.ndarray, " videos"],
    splits: Sequence[Split],
    *,
    counts: Sequence[int],
    grid: Mapping[str, Sequence],
    strongest: Callable[[int, Mapping[str, Any]], Any],
) -> Pipeline:
    """Returns an unfitted pipeline of scaler, mRMR and classifier, with the settings of the best balanced accuracy.

    Features are scaled and ranked once in every split, and all settings share that.

    Args:
        classifier: of scikit-learn.
        features: of the training videos.
        labels: 0 and 1.
        splits: of the inner cross-validation.
        counts: the numbers of features to try; more than there are means all.
        grid: of the classifier's settings, values by name.
        strongest: maps a number of features and settings to a key; of equal scores the smallest key wins.
    """
    counts = sorted({min(count, features.shape[1]) for count in counts})
    candidates = [(count, settings) for count in counts for settings in ParameterGrid({**grid})]
    scores = np.zeros(len(candidates))
    for train, test in splits:
        scaled = np.asarray(StandardScaler().fit(features[train]).transform(features))
        ranking = MRMR(counts[-1]).fit(scaled[train], labels[train]).order_
        for number, (count, settings) in enumerate(candidates):
            chosen = scaled[:, np.sort(ranking[:count])]
            predicted = configured(classifier, settings).fit(chosen[train], labels[train]).predict(chosen[test])
            scores[number] += balanced_accuracy_score(labels[test], predicted) / len(splits)
    best = [candidates[number] for number in np.nonzero(scores >= scores.max() - TIE)[0]]
    count, settings = min(best, key=lambda candidate: strongest(*candidate))
    return Pipeline(
        [("scale", StandardScaler()), ("select", MRMR(count)), ("classify", configured(classifier, settings))]
    )


def calibrate(
    pipeline: Pipeline,
    features: Float[np.ndarray, "videos features"],
    labels: Int[np.ndarray, " videos"],
    splits: Sequence[Split],
    *,
    balanced: bool,
) -> CalibratedClassifierCV:
    """Fits a pipeline, and to its scores of the inner splits' test videos the sigmoid that makes probabilities (Platt).

    Args:
        pipeline: not fitted.
        features: of the training videos.
        labels: 0 and 1.
        splits: of the inner cross-validation.
        balanced: whether both classes count alike in the calibration; the pipeline's classifier has its own weights.
    """
    calibrated = CalibratedClassifierCV(pipeline, method="sigmoid", cv=splits)
    weights = compute_sample_weight("balanced", labels) if balanced else None
    return calibrated.set_params(ensemble=False).fit(features, labels, sample_weight=weights)


def configured(classifier: Any, settings: Mapping[str, Any]) -> Any:
    """Returns an unfitted copy of a classifier with other settings."""
    copy: Any = clone(classifier)
    return copy.set_params(**settings)

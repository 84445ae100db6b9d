"""The choice of features and settings by an inner cross-validation."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from sklearn.base import clone
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from dfuse_jax.systems.mrmr import MRMR

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


def configured(classifier: Any, settings: Mapping[str, Any]) -> Any:
    """Returns an unfitted copy of a classifier with other settings."""
    copy: Any = clone(classifier)
    return copy.set_params(**settings)

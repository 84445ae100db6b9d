"""How well probabilities tell the classes apart: the pooled ROC curve with a band, curves of folds, confusion."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from sklearn.metrics import roc_curve

from dfuse_jax.evaluate import metrics
from dfuse_jax.evaluate.outcome import FoldPredictions
from dfuse_jax.evaluate.resampling import Pooled

RESAMPLES = 500  # a band of percentiles for the eye needs fewer than an interval
MOST_POINTS = 100


class Curve(NamedTuple):
    """A ROC curve that is averaged over the runs, with a band of percentiles at each point.

    Its points lie in the middle of equal steps of the false positive rate, one for each posed video or MOST_POINTS.
    Between its ends (0, 0) and (1, 1), which are left out, the mean of the true positive rates then is the area.

    Attributes:
        false_positive_rate: share of the posed videos that are called spontaneous.
        true_positive_rate: share of the spontaneous videos that are called so.
        low: lower bound of the latter.
        high: its upper bound.
    """

    false_positive_rate: Float[np.ndarray, " points"]
    true_positive_rate: Float[np.ndarray, " points"]
    low: Float[np.ndarray, " points"]
    high: Float[np.ndarray, " points"]


def average(pooled: Pooled, *, seed: int = 0, level: float = metrics.LEVEL) -> Curve | None:
    """Returns the pooled ROC curve; None where a class is missing or a probability is nan.

    The band is that of the percentiles over resampled subjects, for each point by itself; nan for a single subject.

    Args:
        pooled: the predictions.
        seed: of the resampling.
        level: of confidence.
    """
    posed = int((pooled.labels == 0).sum())
    if posed in (0, len(pooled.labels)) or np.isnan(pooled.probabilities).any():
        return None
    points = min(posed, MOST_POINTS)
    rates = (np.arange(points) + 0.5) / points
    count = pooled.num_subjects
    weights = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), RESAMPLES)
    resampled = _true_positive_rates(pooled, weights[:, pooled.subjects], rates)
    low, high = np.nanquantile(resampled, ((1 - level) / 2, (1 + level) / 2), axis=0)
    if count < 2:
        low, high = np.full((2, points), np.nan)
    (curve,) = _true_positive_rates(pooled, np.ones((1, len(pooled.labels))), rates)
    return Curve(rates, curve, low, high)


def _true_positive_rates(
    pooled: Pooled, weights: Float[np.ndarray, "resamples videos"], rates: Float[np.ndarray, " points"]
) -> Float[np.ndarray, "resamples points"]:
    """Returns the weighted curves at some false positive rates; nan where a class has no weight."""
    curves = np.zeros((len(weights), len(rates)))
    for probabilities in pooled.probabilities:
        _, level = np.unique(-probabilities, return_inverse=True)
        order = np.argsort(level, kind="stable")
        starts = np.flatnonzero(np.diff(level[order], prepend=-1))
        spontaneous, posed = (
            np.add.reduceat((weights * (pooled.labels == label))[:, order], starts, axis=1) for label in (1, 0)
        )
        true, false = (np.pad(np.cumsum(counts, axis=1), ((0, 0), (1, 0))) for counts in (spontaneous, posed))
        for row, (hits, alarms) in enumerate(zip(true, false, strict=True)):
            defined = hits[-1] > 0 and alarms[-1] > 0
            curves[row] += np.interp(rates, alarms / alarms[-1], hits / hits[-1]) if defined else np.nan
    return curves / len(pooled.probabilities)


def fold_curves(
    labels: Int[np.ndarray, " videos"], folds: Sequence[FoldPredictions]
) -> Iterator[tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]]:
    """Yields false and true positive rates of each fold and run whose test videos are of both classes."""
    for fold in folds:
        tested = labels[fold.replica.test]
        if len(np.unique(tested)) == 2 and not np.isnan(fold.probabilities).any():
            false, true, _ = roc_curve(tested, fold.probabilities, drop_intermediate=False)
            yield false, true


def confusion(pooled: Pooled, classes: Sequence[str]) -> dict[str, Any]:
    """Returns how often videos of each class are called each class, summed over the runs.

    Args:
        pooled: the predictions; one that is nan is wrong, whatever the label.
        classes: names of posed and spontaneous.

    Returns:
        {class: {what it is called: number}}.
    """
    is_correct = metrics.correct(pooled.labels, pooled.probabilities)
    counts = {}
    for label, name in enumerate(classes):
        of_class = is_correct[:, pooled.labels == label]
        right = int(of_class.sum())
        numbers = {name: right, classes[1 - label]: of_class.size - right}
        counts[name] = {called: numbers[called] for called in classes}
    return counts

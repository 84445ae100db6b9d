"""Whether probabilities mean what they say: Brier score, calibration error, temperature, accuracy with abstention."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit

from dfuse_jax.evaluate import metrics

BINS = 10
EDGE = 1e-6  # probabilities are kept so far from 0 and 1 where their logits are taken
HOTTEST = 10.0  # a temperature is between its inverse and it: predictions that are all wrong would want infinity
COVERAGES = tuple(n / 10 for n in range(10, 0, -1))


class Bin(NamedTuple):
    """Predictions of nearly the same probability.

    Attributes:
        count: how many there are.
        predicted: their mean probability of spontaneous; nan if there are none.
        observed: how many of them are spontaneous, in 0..1; nan if there are none.
    """

    count: int
    predicted: float
    observed: float


def brier(labels: Int[np.ndarray, " n"], probabilities: Float[np.ndarray, " n"]) -> float:
    """Returns the mean squared difference of probability and label (Brier 1950): 0.25 for 0.5 always; nan of none."""
    return float(np.mean((probabilities - labels) ** 2)) if len(labels) else float("nan")


def reliability(labels: Int[np.ndarray, " n"], probabilities: Float[np.ndarray, " n"]) -> list[Bin]:
    """Returns BINS bins of equal width in the probability of spontaneous, of which 1 belongs to the last."""
    number = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    bins = []
    for chosen in (number == n for n in range(BINS)):
        count = int(chosen.sum())
        predicted, observed = (x[chosen].mean() if count else np.nan for x in (probabilities, labels))
        bins.append(Bin(count, float(predicted), float(observed)))
    return bins


def calibration_error(bins: Sequence[Bin]) -> float:
    """Returns the expected calibration error: the mean |predicted - observed| by the bins' counts; nan of none."""
    filled = [b for b in bins if b.count]
    total = sum(b.count for b in filled)
    return sum(b.count * abs(b.predicted - b.observed) for b in filled) / total if total else float("nan")


def temperature(labels: Int[np.ndarray, " n"], probabilities: Float[np.ndarray, " n"]) -> float:
    """Returns the T for which sigmoid(logit / T) has the lowest cross-entropy (Guo et al. 2017), at most HOTTEST.

    Above 1 the probabilities were too confident. The labels are smoothed as by Platt (1999), to (n + 1) / (n + 2) of a
    class of n videos and one minus that of the other, or few videos, all of them right, would ask for certainty.
    Predictions that are nan do not count; without any it is 1.
    """
    defined = ~np.isnan(probabilities)
    labels, probabilities = labels[defined].astype(bool), probabilities[defined]
    if len(labels) == 0:
        return 1.0
    logits = logit(np.clip(probabilities.astype(float), EDGE, 1 - EDGE))
    target = np.where(labels, (labels.sum() + 1) / (labels.sum() + 2), 1 / ((~labels).sum() + 2))

    def cross_entropy(log_temperature: float) -> float:
        cool = logits / np.exp(log_temperature)
        return float((np.logaddexp(0, cool) - target * cool).mean())

    bound = np.log(HOTTEST)
    result: Any = minimize_scalar(cross_entropy, bounds=(-bound, bound), method="bounded")
    return float(np.exp(result.x))


def cooled(probabilities: Float[np.ndarray, " n"], temperature: float) -> Float[np.ndarray, " n"]:
    """Returns the probabilities at a temperature: sigmoid(logit / T)."""
    return expit(logit(np.clip(probabilities.astype(float), EDGE, 1 - EDGE)) / temperature)


def summary(labels: Int[np.ndarray, " n"], probabilities: Float[np.ndarray, " n"]) -> dict[str, Any]:
    """Returns Brier score, calibration error and bins of the probabilities that are not nan."""
    defined = ~np.isnan(probabilities)
    labels, probabilities = labels[defined], probabilities[defined]
    bins = reliability(labels, probabilities)
    return {
        "brier": brier(labels, probabilities),
        "calibration_error": calibration_error(bins),
        "bins": [b._asdict() for b in bins],
    }


def abstention(labels: Int[np.ndarray, " n"], probabilities: Float[np.ndarray, " n"]) -> list[dict[str, float]]:
    """Returns the accuracy on the most confident share of the predictions: a share of COVERAGES and accuracy each.

    Confidence is the distance from 0.5. Where predictions at the edge of a share are equally confident, each counts in
    part, so that the order of the videos does not matter.
    """
    is_correct = metrics.correct(labels, probabilities).astype(float)
    confidence = np.nan_to_num(abs(probabilities - 0.5), nan=-1.0)
    levels, level = np.unique(-confidence, return_inverse=True)
    counts = np.bincount(level, minlength=len(levels))
    right = np.bincount(level, is_correct, len(levels))
    # The number right among the first n is linear within a level.
    ends = np.concatenate([[0], np.cumsum(counts)])
    totals = np.concatenate([[0], np.cumsum(right)])
    kept = [share * len(labels) for share in COVERAGES]
    right_of_kept = np.interp(kept, ends, totals)
    return [
        {"share": share, "accuracy": float(number / size)}
        for share, size, number in zip(COVERAGES, kept, right_of_kept, strict=True)
    ]

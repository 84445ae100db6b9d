"""Retraining under permuted labels: how often a system that learns meaningless labels reaches the headline's scores.

Unlike `resampling.permute`, which keeps the predictions, this asks the whole procedure: it would catch a protocol that
lets the labels of test videos into the training.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from dfuse_jax.evaluate import metrics, resampling
from dfuse_jax.evaluate.metrics import METRICS
from dfuse_jax.evaluate.outcome import Outcome, predictions_of_models


class Retraining(NamedTuple):
    """The scores of `validated` as they are, and where labels changed places before the training.

    Attributes:
        p: of each of METRICS, (1 + retrainings with at least the score) / (1 + retrainings); nan where it is undefined.
        score: of each of METRICS, as the labels are: of the first run, since each retraining is one run.
        chance: the mean of each of METRICS over the retrainings.
        permutations: how many retrainings there are.
        within_subjects: whether labels changed places within subjects only; if not, between them.
    """

    p: dict[str, float]
    score: dict[str, float]
    chance: dict[str, float]
    permutations: int
    within_subjects: bool


def retraining(outcome: Outcome) -> Retraining | None:
    """Returns what the retrainings of an outcome say; None if there are none."""
    if not outcome.relabelled:
        return None
    score = _score(_first_run(outcome))
    retrained = [_score(relabelled) for relabelled in outcome.relabelled]
    values = {metric: np.array([one[metric] for one in retrained]) for metric in METRICS}
    return Retraining(
        p={metric: p_value(score[metric], values[metric]) for metric in METRICS},
        score=score,
        chance={metric: float(values[metric].mean()) for metric in METRICS},
        permutations=len(retrained),
        within_subjects=moves_within_subjects(outcome.labels, np.asarray(outcome.subjects)),
    )


def p_value(score: float, under_permutation: np.ndarray) -> float:
    """Returns (1 + permutations with at least the score) / (1 + permutations) (Phipson and Smyth 2010).

    It is nan if one of the scores is.
    """
    if np.isnan(score) or np.isnan(under_permutation).any():
        return float("nan")
    return float((1 + (under_permutation >= score - 1e-9).sum()) / (1 + len(under_permutation)))


def moves_within_subjects(labels: np.ndarray, subjects: np.ndarray) -> bool:
    """Returns whether some subject has videos of both classes, so that labels can change places within subjects."""
    return any(len(np.unique(labels[subjects == subject])) == 2 for subject in np.unique(subjects))


def _first_run(outcome: Outcome) -> Outcome:
    """Returns the outcome of the first run's replicas with a validation share."""
    first = min(replica.run for replica in outcome.replicas)
    members = [r for r, replica in enumerate(outcome.replicas) if replica.validated and replica.run == first]
    return dataclasses.replace(
        outcome,
        replicas=[outcome.replicas[r] for r in members],
        losses=outcome.losses[:, members],
        probabilities=outcome.probabilities[:, members],
    )


def _score(outcome: Outcome) -> dict[str, float]:
    """Returns each of METRICS of `validated`, pooled over the folds of the only run."""
    pooled = resampling.pool(outcome, predictions_of_models(outcome)["validated"])
    return metrics.scores(pooled.labels, pooled.probabilities[0])

"""What chance can do to the scores of a protocol: an interval by bootstrap over subjects, and a permutation of labels.

Both take the predictions as they are and train nothing. So they say how far a score would move with other test
subjects, and how often labels without meaning would reach it; not how far it would move with other training videos.

Scores are pooled here: over the test videos of all folds at once, and averaged over the runs. The mean over folds,
which the report has beside them, weighs small folds as large ones.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from dfuse_jax.evaluate import metrics
from dfuse_jax.evaluate.outcome import FoldPredictions, Outcome

RESAMPLES = 2000
PERMUTATIONS = 10_000
CHUNK = 500  # permutations at once: it bounds the memory


@dataclasses.dataclass(frozen=True)
class Pooled:
    """The predictions of one protocol for all V videos that are tested, in every run.

    Attributes:
        labels: 0 (posed) and 1 (spontaneous).
        subjects: a number from 0 for each video's subject.
        probabilities: of spontaneous.
    """

    labels: Int[np.ndarray, " videos"]
    subjects: Int[np.ndarray, " videos"]
    probabilities: Float[np.ndarray, "runs videos"]

    @property
    def num_subjects(self) -> int:
        """How many subjects there are."""
        return int(self.subjects.max()) + 1


class Interval(NamedTuple):
    """A pooled score and its confidence interval, in 0..1; nan where undefined.

    Attributes:
        value: of all videos.
        low: lower bound.
        high: upper bound.
    """

    value: float
    low: float
    high: float


def pool(outcome: Outcome, folds: Sequence[FoldPredictions]) -> Pooled:
    """Returns the predictions of one protocol, pooled over its folds; a run that lacks a video leaves it out.

    Raises:
        ValueError: there are no predictions.
    """
    videos = tested_videos(folds)
    runs = sorted({fold.replica.run for fold in folds})
    probabilities = np.full((len(runs), len(outcome.labels)), np.nan)
    for fold in folds:
        probabilities[runs.index(fold.replica.run), fold.replica.test] = fold.probabilities
    _, subjects = np.unique(np.asarray(outcome.subjects)[videos], return_inverse=True)
    return Pooled(outcome.labels[videos], subjects, probabilities[:, videos])


def tested_videos(folds: Sequence[FoldPredictions]) -> Int[np.ndarray, " videos"]:
    """Returns the sorted indices of the videos that are tested in every run.

    Raises:
        ValueError: there are no predictions.
    """
    if not folds:
        raise ValueError("there are no predictions to pool.")
    of_run: dict[int, set[int]] = {}
    for fold in folds:
        of_run.setdefault(fold.replica.run, set()).update(fold.replica.test.tolist())
    return np.array(sorted(set.intersection(*of_run.values())), int)


def bootstrap(pooled: Pooled, *, seed: int = 0, level: float = metrics.LEVEL) -> dict[str, Interval]:
    """Returns each of METRICS with its interval by resampling subjects, with all their videos.

    It is the bias-corrected and accelerated bootstrap (BCa; Efron 1987). Where nothing varies, as with every video
    right, the bound is Clopper and Pearson's for so many subjects.

    Args:
        pooled: the predictions.
        seed: of the resampling.
        level: of confidence.
    """
    count = pooled.num_subjects
    weights = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), RESAMPLES)
    without_one = 1 - np.eye(count)
    intervals = {}
    for name, score in _weighted_scores(pooled).items():
        value = float(score(np.ones((1, count)))[0])
        intervals[name] = Interval(value, *bca(value, score(weights), score(without_one), level))
    return intervals


def bca(
    value: float, resampled: Float[np.ndarray, " resamples"], jackknife: Float[np.ndarray, " subjects"], level: float
) -> tuple[float, float]:
    """Returns the bounds of the bias-corrected and accelerated bootstrap (Efron 1987).

    Args:
        value: the score of all subjects.
        resampled: the score of each resample.
        jackknife: the score without each subject.
        level: of confidence.
    """
    resampled, jackknife = resampled[~np.isnan(resampled)], jackknife[~np.isnan(jackknife)]
    if np.isnan(value) or len(jackknife) < 2 or len(resampled) == 0:
        return float("nan"), float("nan")
    if np.ptp(jackknife) == 0:
        return _without_variation(value, len(jackknife), level)
    below = ((resampled < value).mean() + (resampled <= value).mean()) / 2
    bias = stats.norm.ppf(np.clip(below, 0.5 / len(resampled), 1 - 0.5 / len(resampled)))
    differences = jackknife.mean() - jackknife
    acceleration = (differences**3).sum() / (6 * (differences**2).sum() ** 1.5)
    normal = bias + stats.norm.ppf([(1 - level) / 2, (1 + level) / 2])
    low, high = np.quantile(resampled, stats.norm.cdf(bias + normal / (1 - acceleration * normal)))
    return float(low), float(high)


def _without_variation(value: float, count: int, level: float) -> tuple[float, float]:
    """Returns Clopper and Pearson's bounds where all subjects have the score 0 or 1; nan for another score."""
    least = ((1 - level) / 2) ** (1 / count)
    if value == 1:
        return least, 1.0
    return (0.0, 1 - least) if value == 0 else (float("nan"), float("nan"))


def _weighted_scores(pooled: Pooled) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Returns a function for each of METRICS, from weights [B, subjects] to the scores [B] of videos so weighted."""
    labels = pooled.labels.astype(bool)
    is_correct = metrics.correct(pooled.labels, pooled.probabilities).mean(axis=0)
    of_subject = pooled.subjects

    def recall(weights: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        right = np.bincount(of_subject, is_correct * chosen, pooled.num_subjects)
        videos = np.bincount(of_subject, chosen, pooled.num_subjects)
        return _divide(weights @ right, weights @ videos)

    def accuracy(weights: np.ndarray) -> np.ndarray:
        return recall(weights, np.ones(len(labels)))

    def balanced_accuracy(weights: np.ndarray) -> np.ndarray:
        recalls = np.stack([recall(weights, labels == label) for label in (False, True)])
        present = ~np.isnan(recalls)
        return _divide(np.where(present, recalls, 0).sum(axis=0), present.sum(axis=0))

    def auc(weights: np.ndarray) -> np.ndarray:
        of_video = weights[:, of_subject]
        return np.mean([_weighted_auc(labels, p, of_video) for p in pooled.probabilities], axis=0)

    return {"accuracy": accuracy, "balanced_accuracy": balanced_accuracy, "auc": auc}


def _weighted_auc(labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Returns the AUC of weighted videos, ties counting half; nan where a class is missing or a probability is nan."""
    if np.isnan(probabilities).any():
        return np.full(len(weights), np.nan)
    _, value = np.unique(probabilities, return_inverse=True)
    order = np.argsort(value, kind="stable")
    starts = np.flatnonzero(np.diff(value[order], prepend=-1))
    spontaneous = np.add.reduceat((weights * labels)[:, order], starts, axis=1)
    posed = np.add.reduceat((weights * ~labels)[:, order], starts, axis=1)
    won = spontaneous * (np.cumsum(posed, axis=1) - posed / 2)
    return _divide(won.sum(axis=1), spontaneous.sum(axis=1) * posed.sum(axis=1))


def _divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.full(len(numerator), np.nan), where=denominator != 0)


class Permutation(NamedTuple):
    """How often labels without meaning reach the scores.

    Attributes:
        p: of each of METRICS; nan where the score is undefined.
        permutations: how many were drawn.
        within_subjects: whether labels changed places within subjects only; if not, among all videos.
        subjects: how many have videos of both classes, so that their labels can change places.
    """

    p: dict[str, float]
    permutations: int
    within_subjects: bool
    subjects: int


def permute(pooled: Pooled, *, seed: int = 0, permutations: int = PERMUTATIONS) -> Permutation:
    """Tests whether the predictions know the labels: labels change places within subjects, predictions stay.

    A model that knows who tends to smile spontaneously, and nothing of the smile, gains nothing within a subject. Where
    no subject has videos of both classes, labels change places among all videos instead, which such a model passes.

    p is (1 + permutations with at least the score) / (1 + permutations) (Phipson and Smyth 2010).

    Args:
        pooled: the predictions.
        seed: of the permutations.
        permutations: how many.
    """
    labels = pooled.labels
    videos = np.bincount(pooled.subjects)
    spontaneous = np.bincount(pooled.subjects, labels)
    mixed = int(((spontaneous > 0) & (spontaneous < videos)).sum())
    subjects = pooled.subjects if mixed else np.zeros_like(pooled.subjects)
    by_subject = np.argsort(subjects, kind="stable")
    sorted_subjects, sorted_labels = subjects[by_subject], labels[by_subject]
    # With the classes' sizes fixed, every score is a sum over the videos that are called spontaneous.
    gain = {name: values[by_subject] for name, values in _gain_of_spontaneous(pooled).items()}
    rng = np.random.default_rng(seed)
    reached = dict.fromkeys(gain, 0)
    for start in range(0, permutations, CHUNK):
        size = min(CHUNK, permutations - start)
        order = np.argsort(sorted_subjects + rng.random((size, len(labels))), axis=1)
        permuted = sorted_labels[order]
        for name, values in gain.items():
            reached[name] += int((permuted @ values >= sorted_labels @ values - 1e-9).sum())
    p = {
        name: (1 + count) / (1 + permutations) if np.isfinite(gain[name]).all() else float("nan")
        for name, count in reached.items()
    }
    return Permutation(p, permutations, within_subjects=mixed > 0, subjects=mixed)


def _gain_of_spontaneous(pooled: Pooled) -> dict[str, Float[np.ndarray, " videos"]]:
    """Returns what each score gains by calling a video spontaneous instead of posed, up to a factor of the score."""
    labels, probabilities = pooled.labels, pooled.probabilities
    if_spontaneous = metrics.correct(np.ones_like(labels), probabilities).mean(axis=0)
    if_posed = metrics.correct(np.zeros_like(labels), probabilities).mean(axis=0)
    share = labels.mean()
    ranks = np.mean([stats.rankdata(p) for p in probabilities], axis=0)
    undefined = share in (0, 1) or np.isnan(probabilities).any()
    return {
        "accuracy": if_spontaneous - if_posed,
        # Each class counts by one over its share; of one class alone it is the accuracy.
        "balanced_accuracy": (1 - share) * if_spontaneous - share * if_posed,
        "auc": np.full(len(labels), np.nan) if undefined else ranks,
    }

"""What a set of predictions is worth: accuracy, balanced accuracy, AUC, their interval, and two controls."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

METRICS = ("accuracy", "balanced_accuracy", "auc")


def hits(labels: ArrayLike, probabilities: ArrayLike) -> np.ndarray:
    """Whether each prediction is right; a probability that is not a number is wrong, whatever the label.

    Args:
        labels: [n] of 0 (posed) and 1 (spontaneous).
        probabilities: [..., n] of spontaneous; 0.5 and above says spontaneous.

    Returns:
        [..., n] booleans.
    """
    probabilities = np.asarray(probabilities)
    return ((probabilities >= 0.5) == np.asarray(labels, bool)) & ~np.isnan(probabilities)


def scores(labels: ArrayLike, probabilities: ArrayLike) -> dict[str, float]:
    """Accuracy, mean recall of the classes that are present, and area under the ROC curve.

    Args:
        labels: [n] of 0 (posed) and 1 (spontaneous).
        probabilities: [n] of spontaneous.

    Returns:
        METRICS' values in 0..1. The AUC is nan where a class is missing or a probability is not a number.
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    right = hits(labels, probabilities)
    present = np.unique(labels)
    ranked = len(present) == 2 and not np.isnan(probabilities).any()
    return {
        "accuracy": float(right.mean()),
        "balanced_accuracy": float(np.mean([right[labels == label].mean() for label in present])),
        "auc": float(roc_auc_score(labels, probabilities)) if ranked else float("nan"),
    }


def of_folds(values: ArrayLike) -> np.ndarray:
    """Each fold's mean over the runs that define it: [runs, folds] with nan -> [folds], nan where no run does."""
    return np.ma.masked_invalid(np.asarray(values, float)).mean(axis=0).filled(np.nan)


def interval(values: ArrayLike, level: float = 0.95) -> tuple[float, float, float]:
    """Mean over folds and runs, and its Student t interval over the folds.

    The runs of a fold share its test videos, so they are not independent: a fold counts once, by its runs' mean.

    Args:
        values: [runs, folds] in 0..1; nan where undefined (left out).
        level: of confidence.

    Returns:
        Mean, lower and upper bound, clipped to 0..1; nan bounds from a single fold.
    """
    folds = of_folds(values)
    folds = folds[~np.isnan(folds)]
    if len(folds) < 2:
        return (float(folds[0]) if len(folds) else float("nan")), float("nan"), float("nan")
    mean = folds.mean()
    half = stats.t.ppf((1 + level) / 2, len(folds) - 1) * folds.std(ddof=1) / np.sqrt(len(folds))
    return float(mean), float(max(mean - half, 0.0)), float(min(mean + half, 1.0))


def choose_epoch(labels: ArrayLike, probabilities: ArrayLike) -> int:
    """The epoch that a validation share chooses: best accuracy, then lowest cross-entropy, then earliest.

    Args:
        labels: [n] of the share.
        probabilities: [epochs, n] of spontaneous.

    Returns:
        Index of the epoch, from 0.
    """
    probabilities = np.asarray(probabilities, float)
    of_label = np.where(np.asarray(labels, bool), probabilities, 1 - probabilities)
    # A share is small and ties are common; the clip keeps one sure miss from outweighing everything else.
    entropy = np.nan_to_num(-np.log(np.clip(of_label, 1e-7, 1)).mean(axis=-1), nan=np.inf)
    return int(np.lexsort((entropy, -hits(labels, probabilities).sum(axis=-1)))[0])


def peeked_epoch(labels: ArrayLike, probabilities: ArrayLike) -> int:
    """The published choice: the earliest epoch (from 0) of the best accuracy on the test videos themselves.

    Args:
        labels: [n] of the test videos.
        probabilities: [epochs, n] of spontaneous.
    """
    return int(np.argmax(hits(labels, probabilities).sum(axis=-1)))


def coin_flip(test_videos: int, epochs: int) -> float:
    """Expected best test accuracy over `epochs` epochs of a fair coin that is flipped for every video every epoch.

    E[max] of independent binomial(n, 1/2) counts, over n: sum over k = 1..n of 1 - P(count < k)^epochs.
    """
    below = stats.binom.cdf(np.arange(test_videos), test_videos, 0.5)
    return float(np.mean(1 - below**epochs))


def length_only(frames: ArrayLike, labels: ArrayLike, train: ArrayLike, test: ArrayLike) -> np.ndarray:
    """What the number of frames alone says: logistic regression on it, standardised over the training videos.

    Args:
        frames: [V] number of frames of each video.
        labels: [V] of 0 and 1.
        train: indices of the videos that it learns from.
        test: indices of the videos that it is asked about.

    Returns:
        [len(test)] probability of spontaneous; the one class's, where the training videos have only one.
    """
    lengths, labels = np.asarray(frames, float)[:, None], np.asarray(labels)
    if len(np.unique(labels[train])) < 2:
        return np.full(len(test), float(np.mean(labels[train])))
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(lengths[train], labels[train])
    return model.predict_proba(lengths[test])[:, 1]

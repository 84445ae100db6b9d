"""Metrics of predictions, their confidence interval, the epoch that each protocol takes, and two controls."""

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

METRICS = ("accuracy", "balanced_accuracy", "auc")
LEVEL = 0.95  # confidence of the intervals


def correct(
    labels: Int[np.ndarray, " videos"], probabilities: Float[np.ndarray, "*batch videos"]
) -> Bool[np.ndarray, "*batch videos"]:
    """Returns whether each prediction is correct; a probability that is nan is wrong, whatever the label.

    Args:
        labels: 0 (posed) and 1 (spontaneous).
        probabilities: of spontaneous; 0.5 or more predicts spontaneous.
    """
    return ((probabilities >= 0.5) == labels.astype(bool)) & ~np.isnan(probabilities)


def scores(labels: Int[np.ndarray, " videos"], probabilities: Float[np.ndarray, " videos"]) -> dict[str, float]:
    """Returns accuracy, balanced accuracy and area under the ROC curve.

    Args:
        labels: 0 (posed) and 1 (spontaneous).
        probabilities: of spontaneous.

    Returns:
        The value of each of METRICS in 0..1. Balanced accuracy is the mean recall of the classes that are present. The
        AUC is nan where a class is missing or a probability is nan.
    """
    is_correct = correct(labels, probabilities)
    classes = np.unique(labels)
    has_auc = len(classes) == 2 and not np.isnan(probabilities).any()
    return {
        "accuracy": float(is_correct.mean()),
        "balanced_accuracy": float(np.mean([is_correct[labels == label].mean() for label in classes])),
        "auc": float(roc_auc_score(labels, probabilities)) if has_auc else float("nan"),
    }


def fold_means(values: Float[np.ndarray, "runs folds"]) -> Float[np.ndarray, " folds"]:
    """Averages each fold over the runs in which it is not nan; a fold without any is nan."""
    defined = ~np.isnan(values)
    runs = defined.sum(axis=0)
    totals = np.where(defined, values, 0.0).sum(axis=0)
    return np.divide(totals, runs, out=np.full(len(totals), np.nan), where=runs > 0)


def confidence_interval(values: Float[np.ndarray, "runs folds"], level: float = LEVEL) -> tuple[float, float, float]:
    """Returns the mean over folds and runs, and its Student t interval over the folds.

    The runs of a fold share its test videos, so they are not independent: a fold counts once, by the mean of its runs.

    Args:
        values: in 0..1; those that are nan are left out.
        level: of confidence.

    Returns:
        Mean, lower and upper bound, clipped to 0..1. The bounds of a single fold are nan.
    """
    means = fold_means(values)
    means = means[~np.isnan(means)]
    if len(means) < 2:
        return (float(means[0]) if len(means) else float("nan")), float("nan"), float("nan")
    mean = means.mean()
    half_width = stats.t.ppf((1 + level) / 2, len(means) - 1) * means.std(ddof=1) / np.sqrt(len(means))
    return float(mean), float(max(mean - half_width, 0.0)), float(min(mean + half_width, 1.0))


def validated_epoch(labels: Int[np.ndarray, " videos"], probabilities: Float[np.ndarray, "epochs videos"]) -> int:
    """Returns the epoch that the validation videos choose: best accuracy, then lowest cross-entropy, then earliest.

    Args:
        labels: of the validation videos.
        probabilities: of spontaneous, after every epoch.

    Returns:
        Index of the epoch, from 0.
    """
    probabilities = probabilities.astype(float)
    of_true_class = np.where(labels.astype(bool), probabilities, 1 - probabilities)
    # The videos are few and ties are common; the clip keeps one confident mistake from outweighing everything else.
    cross_entropy = np.nan_to_num(-np.log(np.clip(of_true_class, 1e-7, 1)).mean(axis=-1), nan=np.inf)
    number_correct = correct(labels, probabilities).sum(axis=-1)
    return int(np.lexsort((cross_entropy, -number_correct))[0])


def best_threshold(labels: Int[np.ndarray, " videos"], probabilities: Float[np.ndarray, " videos"]) -> float:
    """Returns the threshold of the best balanced accuracy; of several the one nearest to 0.5.

    Args:
        labels: of the validation videos.
        probabilities: of spontaneous.

    Returns:
        0.5, or a value halfway between two neighbouring probabilities; 0.5 if a class is missing.
    """
    if len(np.unique(labels)) < 2 or not np.isfinite(probabilities).all():
        return 0.5
    values = np.unique(probabilities.astype(float))
    candidates = np.concatenate([[0.5], (values[1:] + values[:-1]) / 2])
    recalls = [
        np.mean((probabilities[labels == label][None] >= candidates[:, None]) == label, axis=1) for label in (0, 1)
    ]
    score = np.mean(recalls, axis=0)
    best = candidates[score >= score.max() - 1e-12]
    return float(best[np.argmin(np.abs(best - 0.5))])


def shift(probabilities: Float[np.ndarray, " videos"], threshold: float) -> Float[np.ndarray, " videos"]:
    """Returns the probabilities with the odds divided by those of the threshold, which comes to lie at 0.5."""
    if threshold == 0.5:
        return probabilities
    p = probabilities.astype(float)
    return p * (1 - threshold) / (p * (1 - threshold) + (1 - p) * threshold)


def peeked_epoch(labels: Int[np.ndarray, " videos"], probabilities: Float[np.ndarray, "epochs videos"]) -> int:
    """Returns the epoch that the published protocol takes: the earliest of the best accuracy on the test videos.

    Args:
        labels: of the test videos.
        probabilities: of spontaneous, after every epoch.

    Returns:
        Index of the epoch, from 0.
    """
    return int(np.argmax(correct(labels, probabilities).sum(axis=-1)))


def coin_flip(test_videos: int, epochs: int) -> float:
    """Returns the expected best test accuracy of a fair coin that is flipped for every video in every epoch.

    This is E[max] of `epochs` independent binomial(n, 1/2) counts, over n: the sum over k = 1..n of
    1 - P(count < k)^epochs.
    """
    below = stats.binom.cdf(np.arange(test_videos), test_videos, 0.5)
    return float(np.mean(1 - below**epochs))


def length_only(
    frames: Int[np.ndarray, " videos"],
    labels: Int[np.ndarray, " videos"],
    train: Int[np.ndarray, " train"],
    test: Int[np.ndarray, " test"],
) -> Float[np.ndarray, " test"]:
    """Predicts from the number of frames alone, by logistic regression on it, standardised over the training videos.

    Args:
        frames: number of frames of each video.
        labels: 0 (posed) and 1 (spontaneous).
        train: indices of the training videos.
        test: indices of the videos to predict.

    Returns:
        Probabilities of spontaneous: all 0 or all 1 where the training videos are of one class.
    """
    return _by_one_number(frames, labels, train, test)


def rate_only(
    fps: Float[np.ndarray, " videos"],
    labels: Int[np.ndarray, " videos"],
    train: Int[np.ndarray, " train"],
    test: Int[np.ndarray, " test"],
) -> Float[np.ndarray, " test"]:
    """Predicts from the frame rate alone, likewise.

    Args:
        fps: frames per second of each video.
        labels: 0 (posed) and 1 (spontaneous).
        train: indices of the training videos.
        test: indices of the videos to predict.

    Returns:
        Probabilities of spontaneous: the share of the class where the training videos have the same rate.
    """
    return _by_one_number(fps, labels, train, test)


def _by_one_number(
    values: np.ndarray,
    labels: Int[np.ndarray, " videos"],
    train: Int[np.ndarray, " train"],
    test: Int[np.ndarray, " test"],
) -> Float[np.ndarray, " test"]:
    column = values.astype(float)[:, None]
    if len(np.unique(labels[train])) < 2:
        return np.full(len(test), float(np.mean(labels[train])))
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(column[train], labels[train])
    return model.predict_proba(column[test])[:, 1]

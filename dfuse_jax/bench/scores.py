"""How far features and ends of phases move when nothing has changed but the codec or a tracker's error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

SHARE = 0.1  # of a feature's own value
SPREAD = 0.05  # of its standard deviation over people


def is_off(
    values: Float[np.ndarray, "*n features"],
    references: Float[np.ndarray, "*n features"],
    deviation: Float[np.ndarray, " features"],
) -> Bool[np.ndarray, "*n features"]:
    """Returns which features have moved by more than SHARE of the reference and more than SPREAD of the deviation."""
    change = np.abs(values - references)
    return (change > SHARE * np.abs(references)) & (change > SPREAD * deviation)


def agreement(ratings: Float[np.ndarray, "subjects raters features"]) -> Float[np.ndarray, " features"]:
    """Computes ICC(2,1): two-way random effects, absolute agreement, a single rating (Shrout & Fleiss 1979).

    NaN where all ratings of a feature are equal.
    """
    n, k, _ = ratings.shape
    mean = ratings.mean(axis=(0, 1))
    subjects, raters = ratings.mean(axis=1), ratings.mean(axis=0)
    between_subjects = k * ((subjects - mean) ** 2).sum(axis=0) / (n - 1)
    between_raters = n * ((raters - mean) ** 2).sum(axis=0) / (k - 1)
    rest = ratings - subjects[:, None] - raters[None] + mean
    error = (rest**2).sum(axis=(0, 1)) / ((n - 1) * (k - 1))
    total = between_subjects + (k - 1) * error + k * (between_raters - error) / n
    return np.where(total > 0, (between_subjects - error) / np.where(total > 0, total, 1), np.nan)


def end_shifts(
    ends: Float[np.ndarray, "*n 3 2"], references: Float[np.ndarray, "*n 3 2"], missing: float
) -> Float[np.ndarray, " shifts"]:
    """Returns by how much the begins and ends of onset and offset differ, in the unit of the ends.

    Args:
        ends: begin and end of onset, apex and offset, NaN where a phase does not exist.
        references: the same of the reference.
        missing: the shift where a phase exists in one of the two only; where it exists in neither it is 0.
    """
    a, b = (x[..., [0, 2], :] for x in (ends, references))
    absent_a, absent_b = np.isnan(a), np.isnan(b)
    shift = np.where(absent_a | absent_b, np.where(absent_a & absent_b, 0.0, missing), np.abs(a - b))
    return shift.ravel()


def separation(
    features: Float[np.ndarray, "videos features"],
    labels: Int[np.ndarray, " videos"],
    subjects: Sequence[str] | np.ndarray,
    *,
    seed: int = 0,
    strength: float = 0.1,
) -> tuple[float, float]:
    """Returns accuracy and AUC of scaled logistic regression over 10 folds that keep subjects apart.

    Args:
        features: of all videos.
        labels: 1 or 0.
        subjects: who is seen in each video.
        seed: of the folds.
        strength: C, the inverse of the penalty.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=3000))
    folds = StratifiedGroupKFold(10, shuffle=True, random_state=seed)
    predicted = cross_val_predict(model, features, labels, groups=subjects, cv=folds, method="predict_proba")
    probability = np.asarray(predicted)[:, 1]
    return float(np.mean((probability > 0.5) == labels)), float(roc_auc_score(labels, probability))

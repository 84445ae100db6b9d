"""A support vector machine on principal components, which says probabilities (Platt's)."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from dfuse_jax.systems.search import CALIBRATED, COSTS, MAX_STEPS, TIE, WIDTHS, Split, calibrate

VARIANCE = 0.95  # that the components hold
TRUSTED = CALIBRATED


def fit(
    features: Float[np.ndarray, "videos features"],
    labels: Int[np.ndarray, " videos"],
    splits: Sequence[Split],
    *,
    kernels: Sequence[str],
    scaled: bool,
    balanced: bool = False,
) -> CalibratedClassifierCV:
    """Fits a machine whose kernel, cost and width the inner splits choose by balanced accuracy.

    Of equal scores the smallest cost wins, then the first kernel, then the smallest width.

    Args:
        features: of the training videos.
        labels: 0 and 1.
        splits: of the inner cross-validation.
        kernels: to choose from, "linear" and "rbf".
        scaled: whether each feature is standardised first.
        balanced: whether both classes count alike.
    """
    linear = {"kernel": ["linear"], "C": COSTS}
    rbf = {"kernel": ["rbf"], "C": COSTS, "gamma": WIDTHS}
    grids = [grid for name, grid in (("linear", linear), ("rbf", rbf)) if name in kernels]
    candidates = sorted(ParameterGrid(grids), key=lambda one: (one["C"], one["kernel"], one.get("gamma", 0)))
    scores = np.zeros(len(candidates))
    for train, test in splits:
        reduction = _reduction(scaled).fit(features[train])
        parts = reduction.transform(features[train]), reduction.transform(features[test])
        unit = _unit(parts[0])
        for number, settings in enumerate(candidates):
            machine = _machine(settings, unit, balanced).fit(parts[0], labels[train])
            scores[number] += balanced_accuracy_score(labels[test], machine.predict(parts[1])) / len(splits)
    best = candidates[int(np.argmax(scores >= scores.max() - TIE))]
    reduction = _reduction(scaled)
    unit = _unit(reduction.fit_transform(features))
    pipeline = Pipeline([*reduction.steps, ("classify", _machine(best, unit, balanced))])
    return calibrate(pipeline, features, labels, splits, balanced=balanced)


def _reduction(scaled: bool) -> Pipeline:
    steps = [("scale", StandardScaler())] if scaled else []
    return Pipeline([*steps, ("reduce", PCA(VARIANCE, svd_solver="full"))])


def _unit(components: Float[np.ndarray, "videos components"]) -> float:
    """Returns the sum of the components' variances, by which an RBF's width is measured."""
    return float(components.var(axis=0).sum()) or 1.0


def _machine(settings: dict, unit: float, balanced: bool) -> SVC:
    gamma = settings.get("gamma", 1.0) / unit
    weight = "balanced" if balanced else None
    return SVC(kernel=settings["kernel"], C=settings["C"], gamma=gamma, max_iter=MAX_STEPS, class_weight=weight)

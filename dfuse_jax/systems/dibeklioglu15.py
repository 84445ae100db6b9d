"""Dibeklioglu, Salah and Gevers 2015: D-Markers of three regions, mRMR and a support vector machine a region.

What is known: the 25 values of Table 2 for each phase and region, smoothed by 4253H; mRMR; support vector machines; and
early fusion (one machine for all features), mid fusion (one a region) and late fusion (one a region and phase), of
which mid fusion was best. The grids, the calibration (Platt's, on scores of inner folds) and the rules of combination are our
choice. Age and gender, which were studied as well, are left out.

H. Dibeklioglu, A. A. Salah and T. Gevers, "Recognition of genuine smiles", IEEE Trans. Multimedia 17 (2015).
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from dfuse_jax import dmarkers
from dfuse_jax.samples import Sample
from dfuse_jax.systems import checks
from dfuse_jax.systems.classical import Classical, Split
from dfuse_jax.systems.mrmr import MRMR
from dfuse_jax.systems.search import choose

NAME = "dibeklioglu15"
GROUPS = {"early": 1, "mid": len(dmarkers.REGIONS), "late": len(dmarkers.REGIONS) * len(dmarkers.PHASES)}
RULES = ("sum", "product", "vote")
KERNELS = ("linear", "rbf")
COUNTS = (10, 20, 40, 75)
COSTS = tuple(10.0**exponent for exponent in range(-3, 4))
WIDTHS = tuple(2.0**exponent for exponent in range(-2, 3))  # times 1 / features
TRUSTED = (
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "dfuse_jax.systems.dibeklioglu15.GroupedSVMs",
    "dfuse_jax.systems.mrmr.MRMR",
)


def build(config: Mapping) -> Classical:
    """Returns the system of a config; raises UserError for a field that cannot be."""
    checks.one_of(config, "model.fusion", tuple(GROUPS))
    checks.one_of(config, "model.rule", RULES)
    checks.one_of(config, "model.kernel", KERNELS)
    checks.one_of(config, "dmarkers.definition", ("paper", "robust"))
    options = {"definition": config["dmarkers"]["definition"], "smoothing": config["dmarkers"]["smoothing"] or None}
    section = config["model"]
    return Classical(
        NAME,
        features=functools.partial(_features, **options),
        classifier=functools.partial(
            GroupedSVMs, groups=GROUPS[section["fusion"]], rule=section["rule"], kernel=section["kernel"]
        ),
        trusted=TRUSTED,
    )


def _features(samples: Sequence[Sample], *, definition: str, smoothing: str | None) -> Float[np.ndarray, "videos 225"]:
    return dmarkers.compute_batch(
        (sample.landmarks for sample in samples),
        [sample.fps for sample in samples],
        aspect=[sample.aspect for sample in samples],
        definition=definition,
        smoothing=smoothing,
    )


class GroupedSVMs(ClassifierMixin, BaseEstimator):
    """Support vector machines, one a group of neighbouring features, whose probabilities are combined.

    Each has a scaler, a number of mRMR's features and a cost of its own, chosen by the inner splits. Its probability is
    Platt's: a sigmoid, fitted to scores of videos that the machine was not fitted to.

    Args:
        splits: of the inner cross-validation.
        groups: how many, of equally many features each.
        rule: "sum" (the mean probability), "product" (normalised) or "vote" (the share of machines that say 1).
        kernel: "linear" or "rbf".

    Attributes:
        machines_: of the groups.
        chosen_: the settings of each.
    """

    def __init__(self, splits: Sequence[Split] = (), *, groups: int = 3, rule: str = "sum", kernel: str = "linear"):
        self.splits = splits
        self.groups = groups
        self.rule = rule
        self.kernel = kernel

    def fit(self, X: Float[np.ndarray, "videos features"], y: Int[np.ndarray, " videos"]) -> "GroupedSVMs":
        """Fits all machines; labels y are 0 and 1."""
        self.classes_ = np.unique(y)
        self.machines_, self.chosen_ = [], []
        for columns in np.split(np.asarray(X), self.groups, axis=1):
            machine, chosen = self._fit_group(columns, y)
            self.machines_.append(machine)
            self.chosen_.append(chosen)
        self.splits = ()  # rows of the training data, of no use to whoever loads it
        return self

    def _fit_group(self, x: np.ndarray, y: np.ndarray) -> tuple[Any, dict]:
        pipeline = make_pipeline(StandardScaler(), MRMR(), SVC(kernel=self.kernel))
        counts = sorted({min(k, x.shape[1]) for k in COUNTS})
        grid: dict[str, Sequence] = {"mrmr__k": counts, "svc__C": COSTS}
        if self.kernel == "rbf":
            grid["svc__gamma"] = [width / x.shape[1] for width in WIDTHS]
        chosen = choose(pipeline, grid, self.splits, order=["svc__C", "mrmr__k"]).fit(x, y).best_params_
        machine = CalibratedClassifierCV(
            pipeline.set_params(**chosen), method="sigmoid", cv=list(self.splits), ensemble=False
        )
        return machine.fit(x, y), chosen

    def predict_proba(self, X: Float[np.ndarray, "videos features"]) -> Float[np.ndarray, "videos 2"]:
        """Returns the probabilities of the classes."""
        groups = np.split(np.asarray(X), self.groups, axis=1)
        each = np.stack([machine.predict_proba(x)[:, 1] for machine, x in zip(self.machines_, groups, strict=True)])
        positive = combine(each, self.rule)
        return np.stack([1 - positive, positive], axis=1)

    def predict(self, X: Float[np.ndarray, "videos features"]) -> Int[np.ndarray, " videos"]:
        """Returns the likelier class."""
        return self.classes_[(self.predict_proba(X)[:, 1] >= 0.5).astype(int)]


def combine(probabilities: Float[np.ndarray, "machines videos"], rule: str) -> Float[np.ndarray, " videos"]:
    """Combines the machines' probabilities of class 1."""
    if rule == "sum":
        return probabilities.mean(axis=0)
    if rule == "vote":
        return (probabilities >= 0.5).mean(axis=0)
    for_, against = probabilities.prod(axis=0), (1 - probabilities).prod(axis=0)
    return for_ / (for_ + against)

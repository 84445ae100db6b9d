"""A support vector machine on a weighted sum of kernels, which says probabilities (Platt's)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.svm import SVC

from dfuse_jax.features.kernels import intersection
from dfuse_jax.systems.search import COSTS, MAX_STEPS, TIE, Split

MULTIPLE = ("intersection", "poly2", "poly6", "rbf")
KERNELS = ("linear", *MULTIPLE)


class Scales(NamedTuple):
    """What kernels are measured by, from training features.

    Attributes:
        product: mean product of a video's features with themselves.
        distance: mean squared distance of two videos.
    """

    product: float
    distance: float


def measure(features: Float[np.ndarray, "videos features"]) -> Scales:
    """Returns the scales of training features; 1 where these are all 0, or all alike."""
    product = float((features**2).sum(axis=1).mean())
    distance = 2 * (product - float((features.mean(axis=0) ** 2).sum()))
    return Scales(product if product > 0 else 1.0, distance if distance > 1e-9 * product else 1.0)


def kernel(
    name: str,
    one: Float[np.ndarray, "rows features"],
    other: Float[np.ndarray, "columns features"],
    scales: Scales,
) -> Float[np.ndarray, "rows columns"]:
    """Returns a kernel: the sum of minima, (x y / product + 1)^d, exp(-|x - y|^2 / distance), or x y / product."""
    if name == "intersection":
        return np.asarray(intersection(one, other), float)
    product = np.asarray(one @ other.T, float)
    if name == "rbf":
        squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2 * product
        return np.exp(-np.maximum(squares, 0) / scales.distance)
    if name == "linear":
        return product / scales.product
    return (product / scales.product + 1) ** int(name.removeprefix("poly"))


def weigh(
    kernels: Sequence[Float[np.ndarray, "videos videos"]], labels: Int[np.ndarray, " videos"]
) -> Float[np.ndarray, " kernels"]:
    """Returns what to multiply kernels with before they are added: alignment with the labels, by unit trace.

    A kernel counts as much as its centred form is aligned with that of the labels (C. Cortes, M. Mohri, A.
    Rostamizadeh, JMLR 2012), or not at all if that is negative. Centring changes no machine with a bias, so the kernels
    that are added need not be centred.
    """
    target = np.where(np.asarray(labels) == 1, 1.0, -1.0)
    target = np.outer(target - target.mean(), target - target.mean())
    weights = []
    for matrix in kernels:
        rows = matrix - matrix.mean(axis=0)
        centred = rows - rows.mean(axis=1, keepdims=True)
        trace, norm = np.trace(centred) / len(centred), np.linalg.norm(centred) * np.linalg.norm(target)
        aligned = max(0.0, float((centred * target).sum() / norm)) if norm > 0 else 0.0
        weights.append((aligned, trace if trace > 0 else 1.0))
    alignments, traces = np.array(weights).T
    if not alignments.any():
        alignments = np.ones(len(alignments))
    return alignments / alignments.sum() / traces


class KernelMachine:
    """A fitted machine.

    Args:
        weights: of the kernels that are added, by name.
        scales: of the kernels.
        vectors: the training videos that the machine keeps.
        coefficients: of these.
        bias: of the score.
        slope: of the logit over the score.
        offset: of the logit.
    """

    classes_ = (0, 1)

    def __init__(
        self,
        weights: dict[str, float],
        scales: tuple[float, float],
        vectors: Float[np.ndarray, "vectors features"],
        coefficients: Float[np.ndarray, " vectors"],
        bias: float,
        slope: float,
        offset: float,
    ):
        self.weights, self.scales, self.vectors, self.coefficients = weights, scales, vectors, coefficients
        self.bias, self.slope, self.offset = bias, slope, offset

    def predict_proba(self, features: Float[np.ndarray, "videos features"]) -> Float[np.ndarray, "videos 2"]:
        """Returns the probabilities of the two classes."""
        scales = Scales(*self.scales)
        matrix = sum(
            weight * kernel(name, features, self.vectors, scales) for name, weight in self.weights.items() if weight
        )
        logits = self.slope * (matrix @ self.coefficients + self.bias) + self.offset
        spontaneous = 1 / (1 + np.exp(-np.clip(logits, -500, 500)))
        return np.stack([1 - spontaneous, spontaneous], axis=1)


def fit(
    features: Float[np.ndarray, "videos features"],
    labels: Int[np.ndarray, " videos"],
    splits: Sequence[Split],
    *,
    names: Sequence[str],
    balanced: bool = False,
) -> KernelMachine:
    """Fits a machine on the kernels of these names, whose cost the inner splits choose by balanced accuracy.

    Of equal scores the smallest cost wins. The probability is a sigmoid of the score, fitted to scores of videos that
    the machine was not fitted to.
    """
    scales = measure(features)
    matrices = [kernel(name, features, features, scales) for name in names]
    weights = weigh(matrices, labels)
    matrix = np.tensordot(weights, np.stack(matrices), 1)
    best, scores = _choose(matrix, labels, splits, balanced=balanced)
    machine = _machine(best, balanced).fit(matrix, labels)
    spread = scores.std() or 1.0
    platt = LogisticRegression(class_weight="balanced" if balanced else None).fit(scores[:, None] / spread, labels)
    return KernelMachine(
        weights=dict(zip(names, weights.tolist(), strict=True)),
        scales=(scales.product, scales.distance),
        vectors=features[machine.support_],
        coefficients=machine.dual_coef_[0],
        bias=float(machine.intercept_[0]),
        slope=max(float(platt.coef_[0, 0]), 0.0) / spread,
        offset=float(platt.intercept_[0]),
    )


def _choose(
    matrix: Float[np.ndarray, "videos videos"],
    labels: Int[np.ndarray, " videos"],
    splits: Sequence[Split],
    *,
    balanced: bool,
) -> tuple[float, Float[np.ndarray, " videos"]]:
    """Returns the best cost, and the score of each video by a machine that was fitted without it."""
    accuracies, scores = np.zeros(len(COSTS)), np.zeros((len(COSTS), len(labels)))
    for train, test in splits:
        for number, cost in enumerate(COSTS):
            machine = _machine(cost, balanced).fit(matrix[np.ix_(train, train)], labels[train])
            scores[number, test] = machine.decision_function(matrix[np.ix_(test, train)])
            accuracies[number] += balanced_accuracy_score(labels[test], scores[number, test] > 0) / len(splits)
    best = int(np.argmax(accuracies >= accuracies.max() - TIE))
    return COSTS[best], scores[best]


def _machine(cost: float, balanced: bool) -> SVC:
    return SVC(C=cost, kernel="precomputed", max_iter=MAX_STEPS, class_weight="balanced" if balanced else None)

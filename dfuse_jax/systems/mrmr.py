"""Features of much relevance and little redundancy: mRMR (Peng, Long and Ding 2005), on features of three levels."""

import numpy as np
from jaxtyping import Float, Int
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

LEVELS = 3


class MRMR(SelectorMixin, BaseEstimator):
    """Chooses k features, as a scikit-learn transformer.

    Each feature is cut into three levels, at its mean less and plus its standard deviation over the training videos.
    The first feature chosen has the most mutual information with the label. Each further one has the largest difference
    between that and its mean mutual information with those chosen before. Ties go to the feature that comes first.

    Args:
        k: how many features are chosen; all of them if there are fewer.

    Attributes:
        order_: the chosen features, in the order in which they were chosen.
    """

    def __init__(self, k: int = 10):
        self.k = k

    def fit(self, X: Float[np.ndarray, "videos features"], y: Int[np.ndarray, " videos"]) -> "MRMR":
        """Chooses the features; labels y are 0 and 1."""
        X = validate_data(self, X)
        self.order_ = order(levels(X), np.asarray(y), min(self.k, X.shape[1]))
        return self

    def _get_support_mask(self) -> np.ndarray:
        check_is_fitted(self)
        return np.isin(np.arange(self.n_features_in_), self.order_)


def levels(features: Float[np.ndarray, "videos features"]) -> Int[np.ndarray, "videos features"]:
    """Returns each feature's level: 0 below mean - sd, 2 above mean + sd, 1 between; 1 where it is constant."""
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    return 1 + (features > mean + deviation).astype(int) - (features < mean - deviation)


def order(x: Int[np.ndarray, "videos features"], y: Int[np.ndarray, " videos"], k: int) -> Int[np.ndarray, " k"]:
    """Returns the first k features that mRMR chooses, of levels x and labels y."""
    relevance = mutual_information(x, y[:, None])[:, 0]
    between = mutual_information(x, x)
    chosen = [int(np.argmax(relevance))]
    redundancy = np.zeros(len(relevance))
    while len(chosen) < k:
        redundancy += between[chosen[-1]]
        score = relevance - redundancy / len(chosen)
        score[chosen] = -np.inf
        chosen.append(int(np.argmax(score)))
    return np.array(chosen)


def mutual_information(
    x: Int[np.ndarray, "videos features"], y: Int[np.ndarray, "videos others"]
) -> Float[np.ndarray, "features others"]:
    """Returns the mutual information in nats of every column of x with every column of y, of levels 0 to 2."""
    joint = np.einsum("vfa,vgb->fgab", _one_hot(x), _one_hot(y)) / len(x)
    product = joint.sum(axis=3, keepdims=True) * joint.sum(axis=2, keepdims=True)
    terms = np.where(joint > 0, joint * np.log(np.where(joint > 0, joint, 1) / np.where(joint > 0, product, 1)), 0)
    return terms.sum(axis=(2, 3))


def _one_hot(x: Int[np.ndarray, "videos features"]) -> Float[np.ndarray, "videos features 3"]:
    return (x[..., None] == np.arange(LEVELS)).astype(float)

"""Features of much relevance and little redundancy: mRMR (Peng, Long and Ding 2005), on features of three levels."""

import numpy as np
from jaxtyping import Float, Int
from sklearn.base import BaseEstimator, TransformerMixin

LEVELS = 3


class MRMR(TransformerMixin, BaseEstimator):
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
        self.order_ = order(levels(X), y, min(self.k, X.shape[1]))
        return self

    def transform(self, X: Float[np.ndarray, "videos features"]) -> Float[np.ndarray, "videos chosen"]:
        """Returns the chosen features, in their former order."""
        return X[:, np.sort(self.order_)]


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
    shape = (x.shape[1], LEVELS, y.shape[1], LEVELS)
    joint = (_one_hot(x).T @ _one_hot(y)).reshape(shape) / len(x)
    product = joint.sum(axis=3, keepdims=True) * joint.sum(axis=1, keepdims=True)
    terms = np.where(joint > 0, joint * np.log(np.where(joint > 0, joint, 1) / np.where(joint > 0, product, 1)), 0)
    return terms.sum(axis=(1, 3))


def _one_hot(x: Int[np.ndarray, "videos features"]) -> Float[np.ndarray, "videos 3*features"]:
    return (x[..., None] == np.arange(LEVELS)).reshape(len(x), -1).astype(float)

"""Pfister, Li, Zhao and Pietikainen 2011: temporal interpolation, CLBP-TOP and several classifiers.

What is known: videos are interpolated to as many frames each and described by CLBP-TOP; classifiers were a support
vector machine, a linear one, multiple kernels, and a vote of the first two and a random forest. The frames (20), the
blocks (8 x 8 x 1), the kernels, and that they are weighted by their alignment with the labels are our choice. The
pictures are aligned chips, not warped to a model of a face.

T. Pfister, X. Li, G. Zhao and M. Pietikainen, "Differentiating spontaneous from posed facial expressions within a
generic facial expression recognition framework", ICCV workshops (2011).
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from sklearn.ensemble import RandomForestClassifier

from dfuse_jax.features import cache, clbp_top, interpolate, to_grey
from dfuse_jax.samples import Sample
from dfuse_jax.systems import checks, kernel_machine
from dfuse_jax.systems.classical import Classical, switches
from dfuse_jax.systems.search import Split

NAME = "pfister11"
CLASSIFIERS = ("svm", "linear", "mkl", "rf", "vote")
BLOCKS = ((8, 8, 1), (5, 5, 1), (8, 8, 2), (5, 5, 2))
TREES = 500
TRUSTED = (
    "dfuse_jax.systems.kernel_machine.KernelMachine",
    "dfuse_jax.systems.pfister11.Forest",
    "dfuse_jax.systems.pfister11.Vote",
)


def build(config: Mapping) -> Classical:
    """Returns the system of a config; raises UserError for a field of its section `model` that cannot be."""
    section = config["model"]
    blocks = tuple(section["blocks"])
    checks.one_of({"model": {**section, "blocks": blocks}}, "model.blocks", BLOCKS)
    checks.one_of(config, "model.classifier", CLASSIFIERS)
    checks.one_of(config, "model.hellinger", (False, True))
    checks.within(config, "model", ("frames",), low=3)
    return Classical(
        NAME,
        features=functools.partial(histograms, frames=section["frames"], blocks=blocks, hellinger=section["hellinger"]),
        learn=functools.partial(learn, classifier=section["classifier"]),
        trusted=TRUSTED,
        **switches(config),
    )


def histograms(
    samples: Sequence[Sample], *, frames: int, blocks: tuple[int, int, int], hellinger: bool
) -> Float[np.ndarray, "videos features"]:
    """Returns the CLBP-TOP histograms of each video, interpolated to so many frames; of Hellinger's, their roots."""

    def describe(chips: np.ndarray) -> np.ndarray:
        volume = interpolate(to_grey(chips), frames)
        return np.asarray(clbp_top(volume, blocks=blocks), np.float32).reshape(-1)

    name = f"clbp-{frames}-{'x'.join(map(str, blocks))}"
    features = np.stack([cache.cached(name, sample.chips, describe) for sample in samples])
    return np.sqrt(features) if hellinger else features


class Vote:
    """A majority of classifiers.

    Args:
        members: fitted classifiers.
    """

    classes_ = (0, 1)

    def __init__(self, members: list[Any]):
        self.members = members

    def predict_proba(self, features: Float[np.ndarray, "videos features"]) -> Float[np.ndarray, "videos 2"]:
        """Returns the shares of the members that say either class."""
        votes = np.mean([member.predict_proba(features)[:, 1] >= 0.5 for member in self.members], axis=0)
        return np.stack([1 - votes, votes], axis=1)


class Forest:
    """A random forest as arrays; scikit-learn's own trees cannot be read from a file that one does not trust.

    Args:
        roots: the first node of each tree.
        left: of each node, the next one for values up to the threshold; negative in leaves.
        right: of each node, the next one for greater values.
        feature: whose value is compared.
        threshold: with which it is compared.
        share: of class 1 among a node's training videos.
        depth: of the deepest tree.
    """

    classes_ = (0, 1)

    def __init__(
        self,
        roots: Int[np.ndarray, " trees"],
        left: Int[np.ndarray, " nodes"],
        right: Int[np.ndarray, " nodes"],
        feature: Int[np.ndarray, " nodes"],
        threshold: Float[np.ndarray, " nodes"],
        share: Float[np.ndarray, " nodes"],
        depth: int,
    ):
        self.roots, self.left, self.right, self.depth = roots, left, right, depth
        self.feature, self.threshold, self.share = feature, threshold, share

    def predict_proba(self, features: Float[np.ndarray, "videos features"]) -> Float[np.ndarray, "videos 2"]:
        """Returns the probabilities of the two classes."""
        node = np.tile(self.roots, (len(features), 1))
        for _ in range(self.depth):
            leaf = self.left[node] < 0
            value = np.take_along_axis(features, np.where(leaf, 0, self.feature[node]), axis=1)
            below = np.where(value <= self.threshold[node], self.left[node], self.right[node])
            node = np.where(leaf, node, below)
        spontaneous = self.share[node].mean(axis=1)
        return np.stack([1 - spontaneous, spontaneous], axis=1)


def plant(forest: RandomForestClassifier) -> Forest:
    """Returns a fitted forest of scikit-learn as arrays."""
    trees = [estimator.tree_ for estimator in forest.estimators_]
    sizes = np.array([tree.node_count for tree in trees])
    roots = np.cumsum(sizes) - sizes

    def children(name: str) -> Int[np.ndarray, " nodes"]:
        parts = [np.asarray(getattr(tree, name)) for tree in trees]
        return np.concatenate([np.where(part < 0, -1, part + root) for part, root in zip(parts, roots, strict=True)])

    values = np.concatenate([tree.value[:, 0] for tree in trees])
    return Forest(
        roots=roots,
        left=children("children_left"),
        right=children("children_right"),
        feature=np.concatenate([tree.feature for tree in trees]),
        threshold=np.concatenate([tree.threshold for tree in trees]),
        share=values[:, 1] / values.sum(axis=1),
        depth=max(tree.max_depth for tree in trees),
    )


def learn(
    features: Float[np.ndarray, "videos features"],
    labels: Int[np.ndarray, " videos"],
    splits: Sequence[Split],
    *,
    classifier: str,
    balanced: bool = False,
) -> Any:
    """Fits a classifier of CLASSIFIERS."""
    names = {"svm": ["intersection"], "linear": ["linear"], "mkl": kernel_machine.MULTIPLE}
    if classifier in names:
        return kernel_machine.fit(features, labels, splits, names=names[classifier], balanced=balanced)
    if classifier == "rf":
        weight = "balanced" if balanced else None
        return plant(RandomForestClassifier(TREES, random_state=0, class_weight=weight).fit(features, labels))
    members = ("svm", "linear", "rf")
    return Vote([learn(features, labels, splits, classifier=member, balanced=balanced) for member in members])

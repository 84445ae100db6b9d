"""The inner choice of features and settings: which wins, and that ties go to the strongest regularisation."""

import numpy as np
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from dfuse_jax.systems.classical import inner_splits
from dfuse_jax.systems.search import choose

LABELS = np.arange(60) % 2


def prefer_small(count, settings):
    return settings["C"], count


def test_of_equal_scores_the_strongest_regularisation_is_chosen():
    rng = np.random.default_rng(0)
    features = rng.standard_normal((60, 8)) + 20 * LABELS[:, None]  # every setting separates the classes
    pipeline = choose(
        SVC(kernel="linear"),
        features,
        LABELS,
        inner_splits(LABELS, np.arange(60)),
        counts=(2, 5, 75),
        grid={"C": (10.0, 0.1, 1.0)},
        strongest=prefer_small,
    )
    assert pipeline["select"].k == 2 and pipeline["classify"].C == 0.1


def test_the_better_setting_is_chosen():
    # A fifth of the labels is wrong, which one neighbour learns and 25 outvote.
    rng = np.random.default_rng(1)
    features = rng.standard_normal((300, 2))
    labels = (features[:, 0] > 0).astype(int)
    flipped = rng.random(300) < 0.2
    pipeline = choose(
        KNeighborsClassifier(),
        features,
        np.where(flipped, 1 - labels, labels),
        inner_splits(labels, np.arange(300)),
        counts=(2,),
        grid={"n_neighbors": (1, 25)},
        strongest=lambda count, settings: settings["n_neighbors"],
    )
    assert pipeline["classify"].n_neighbors == 25

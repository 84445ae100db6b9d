"""The demo's controls: what it scores must come from the D-Markers and from the labels, not from a leak."""

import numpy as np
import pytest

from dfuse_jax import train
from dfuse_jax.data import features, load
from dfuse_jax.experiments import recipe
from dfuse_jax.experiments.crossval import build_model, build_settings
from dfuse_jax.samples import scale
from dfuse_jax.train import Replica


@pytest.fixture(scope="module")
def accuracies():
    """Accuracy of the demo's last epoch as it is, with D-Markers dealt out to other videos, and with labels dealt out.

    One training of 3 x 5 folds: three copies of the videos, so that no copy's replica can see another's.
    """
    config = recipe.demo("hadamard")
    config.seed = 11  # not the demo's own
    config.train.epochs = 12
    samples, folds = load.read(config.data, config.cv, config.seed)
    labels = np.array([s.label for s in samples])
    dmarkers = features.compute(samples, smoothing="4253H")
    order = np.random.default_rng(7).permutation(len(labels))
    copies = {
        "as it is": (labels, dmarkers),
        "dmarkers": (labels, dmarkers[order]),
        "labels": (labels[order], dmarkers),
    }
    model, frames = build_model(config.model.to_dict()), [scale(s.landmarks) for s in samples]
    videos = train.pack(model, frames * 3, *(np.concatenate(column) for column in zip(*copies.values(), strict=True)))
    replicas = [
        Replica(0, number, fold.train + shift, np.arange(0), fold.test + shift)
        for shift in len(labels) * np.arange(3)
        for number, fold in enumerate(folds)
    ]
    _, history = train.train(model, videos, replicas, build_settings(config.to_dict()))
    right = [
        np.mean((row[: len(replica.test)] >= 0.5) == np.asarray(videos.label)[replica.test])
        for row, replica in zip(history.probabilities[-1], replicas, strict=True)
    ]
    return dict(zip(copies, np.mean(np.reshape(right, (3, -1)), axis=1), strict=True))


def test_the_demo_learns(accuracies):
    assert accuracies["as it is"] > 0.7


def test_accuracy_falls_when_dmarkers_are_shuffled_across_videos(accuracies):
    assert accuracies["dmarkers"] < accuracies["as it is"] - 0.1


def test_accuracy_falls_to_chance_when_labels_are_shuffled(accuracies):
    # 80 videos: the standard deviation of a coin's accuracy is 5.6%.
    assert abs(accuracies["labels"] - 0.5) < 3 * 0.056
    assert accuracies["labels"] < accuracies["as it is"] - 0.1

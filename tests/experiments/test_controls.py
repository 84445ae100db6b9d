"""The demo's controls: what it scores must come from the D-Markers and from the labels, not from a leak."""

import numpy as np
import pytest

from configs import hadamard
from dfuse_jax import systems, train
from dfuse_jax.experiments import crossval
from dfuse_jax.train import Replica

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def accuracies():
    """Accuracy of the demo's last epoch as it is, with D-Markers dealt out to other videos, and with labels dealt out.

    One training of 3 x 4 folds: three copies of the videos, so that no copy's replica can see another's.
    """
    config = hadamard.get_config()
    config.seed = 11  # not the demo's own
    config.cv.folds = 4
    config.train.epochs = 12
    config.model.update(points=24, blocks=((16, 2),), depth=1)
    data, system = crossval.read_data(config), systems.build(config)
    inputs = system.inputs(data.samples)
    copies = {what: crossval.shuffled(inputs, what, 7) for what in ("nothing", "dmarkers", "labels")}
    videos = inputs._replace(
        per_video={"dmarkers": np.concatenate([copy.per_video["dmarkers"] for copy in copies.values()])},
        label=np.concatenate([copy.label for copy in copies.values()]),
        first=np.tile(inputs.first, 3),  # the frames are the same
        length=np.tile(inputs.length, 3),
    )
    replicas = [
        Replica(0, number, fold.train + shift, np.arange(0), fold.test + shift)
        for shift in len(inputs.label) * np.arange(3)
        for number, fold in enumerate(data.folds)
    ]
    _, history = train.train(system.network, videos, replicas, system.tuning, system.settings)
    correct = [
        np.mean((row[: len(replica.test)] >= 0.5) == videos.label[replica.test])
        for row, replica in zip(history.probabilities[-1], replicas, strict=True)
    ]
    return dict(zip(copies, np.mean(np.reshape(correct, (3, -1)), axis=1), strict=True))


def test_the_demo_learns(accuracies):
    assert accuracies["nothing"] > 0.7


def test_accuracy_falls_when_dmarkers_are_shuffled_across_videos(accuracies):
    assert accuracies["dmarkers"] < accuracies["nothing"] - 0.1


def test_accuracy_falls_to_chance_when_labels_are_shuffled(accuracies):
    # 80 videos: the standard deviation of a coin's accuracy is 5.6%.
    assert abs(accuracies["labels"] - 0.5) < 3 * 0.056
    assert accuracies["labels"] < accuracies["nothing"] - 0.1

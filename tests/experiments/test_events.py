"""TensorBoard events of a training, read back by TensorBoard itself."""

import json
import sys

import numpy as np
import pytest
import toys

from dfuse_jax.experiments import crossval, events
from dfuse_jax.experiments.events import Events
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.train import History, Progress, Replica

NONE = np.array([], int)
LABELS = np.array([1, 0, 1, 0])
REPLICAS = [
    Replica(0, 0, np.array([2]), np.array([3]), np.array([0, 1])),
    Replica(1, 11, np.array([2, 3]), NONE, np.array([0, 1])),
]


def read(folder):
    """Returns {folder of a model: {tag: [(step, value), ...]}}."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    scalars = {}
    for path in sorted(folder.rglob("*tfevents*")):
        reader = accumulator.EventAccumulator(str(path.parent)).Reload()
        scalars[path.parent.relative_to(folder).as_posix()] = {
            tag: [(event.step, event.value) for event in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]
        }
    return scalars


def history(epochs):
    """A history in which epoch e has the loss e + 1/2 and gets everything right from the second epoch on."""
    made = History.empty(epochs, 2, 3)
    for epoch in range(epochs):
        made.losses[epoch] = epoch + 0.5
        for r, replica in enumerate(REPLICAS):
            videos = np.concatenate([replica.val, replica.test])
            right = LABELS[videos] if epoch else 1 - LABELS[videos]
            made.probabilities[epoch, r, : len(videos)] = right
    return made


def progress(done, epochs, groups=1):
    """What a training of `groups` passes tells after so many epochs."""
    members = [range(2)] if groups == 1 else [range(1), range(1, 2)]
    whole, shown = history(epochs), History.empty(epochs, 2, 3)
    for number, group in enumerate(members):
        until = min(max(done - number * epochs, 0), epochs)
        for column in group:
            shown.losses[:until, column] = whole.losses[:until, column]
            shown.probabilities[:until, column] = whole.probabilities[:until, column]
    return Progress(done=done, epochs=epochs, groups=members, history=shown)


@pytest.mark.parametrize("groups", [1, 2])
def test_every_model_has_loss_and_accuracy_of_every_epoch(tmp_path, groups):
    written = Events(tmp_path, REPLICAS, LABELS)
    for done in range(3 * groups + 1):
        written(progress(done, 3, groups))
    loss = [(1, 0.5), (2, 1.5), (3, 2.5)]
    accuracy = [(1, 0.0), (2, 1.0), (3, 1.0)]
    assert read(tmp_path / "tensorboard") == {
        "final/run02-fold12": {"loss/training": loss, "accuracy/test": accuracy},
        "validated/run01-fold01": {"loss/training": loss, "accuracy/validation": accuracy},
    }


def test_a_training_that_goes_on_writes_no_step_twice(tmp_path):
    first = Events(tmp_path, REPLICAS, LABELS)
    for done in range(3):
        first(progress(done, 4))
    for path in tmp_path.rglob("*tfevents*"):  # killed while it wrote
        path.write_bytes(path.read_bytes()[:-3])
    second = Events(tmp_path, REPLICAS, LABELS)
    for done in (1, 2, 3, 4):  # from the checkpoint of the first epoch
        second(progress(done, 4))
    for scalars in read(tmp_path / "tensorboard").values():
        for steps in scalars.values():
            assert [step for step, _ in steps] == [1, 2, 3, 4]


def test_what_is_undefined_is_not_written(tmp_path):
    made = history(1)
    made.losses[:] = np.nan
    made.probabilities[0, 0, 0] = np.nan  # a validation video that trains as well
    Events(tmp_path, REPLICAS, LABELS)(Progress(1, 1, [range(2)], made))
    assert read(tmp_path / "tensorboard") == {
        "final/run02-fold12": {"accuracy/test": [(1, 0.0)]},
        "validated/run01-fold01": {},
    }


def test_without_the_package_events_are_left_out_unless_they_are_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    assert not events.are_written(None) and not events.are_written(False)
    with pytest.raises(UserError, match=r'tensorboardX cannot be .*: pip install "dfuse_jax\[tensorboard\]"'):
        events.are_written(True)
    toys.register()
    with pytest.raises(UserError, match="tensorboardX"):
        crossval.cross_validate(toys.recipe("logistic"), None, tensorboard=True)


def test_a_run_writes_the_numbers_of_its_report(finished):
    directory, _ = finished
    results = json.loads((directory / "results.json").read_text())
    scalars = read(directory / "tensorboard")
    assert len(scalars) == 12  # 2 runs of 3 folds, with and without a validation share
    for row in results["protocols"]["final"]["folds"]:
        steps = scalars[f"final/run{row['run']:02d}-fold{row['fold']:02d}"]["accuracy/test"]
        assert [step for step, _ in steps] == [1, 2, 3, 4]
        np.testing.assert_allclose(steps[-1][1], row["accuracy"], rtol=1e-6)
    losses = [steps["loss/training"][-1][1] for steps in scalars.values()]
    np.testing.assert_allclose(np.mean(losses), results["losses"]["last"], rtol=1e-5)

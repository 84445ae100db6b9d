"""Training as a whole: resumed and not, damaged checkpoints, one compiled program, on one device and on many."""

import dataclasses
import os
import subprocess
import sys

import devices
import jax
import numpy as np
import pytest
from witness import TUNING, Witness, numbered, replica

from dfuse_jax import train
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.train import Settings, memory


class Stop(Exception):
    pass


class WeightedWitness(Witness):
    def loss(self, outputs, label, video, params, *, weight=1.0):
        return train.cross_entropy(outputs, label, weight)


def run(directory, replicas, settings, *, stop=None, every=2, **options):
    """Trains with checkpoints and stops after so many epochs; returns the epochs reported, and states and history."""
    seen, history = [], None
    directory.mkdir(exist_ok=True)

    def on_epoch(progress):
        seen.append(progress.done)
        if progress.done == stop:
            raise Stop

    checkpoints = train.Checkpoints(directory, every=every)
    network = Witness(options.pop("videos", 12))
    inputs = numbered((20,) * network.videos)
    try:
        _, history = train.train(
            network, inputs, replicas, TUNING, settings, checkpoints=checkpoints, on_epoch=on_epoch, **options
        )
        state = train.restore_trained(network, settings, inputs, checkpoints, replicas=len(replicas))
    except Stop:
        return seen, None
    finally:
        checkpoints.close()
    return seen, (state, history)


def same(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(x, y)


def damage(directory, number):
    for path in (directory / str(number)).rglob("*"):
        if path.is_file() and path.parent.name == "d":
            path.write_bytes(path.read_bytes()[:10])


def test_a_resumed_run_ends_as_an_undisturbed_one(tmp_path):
    replicas = [replica(8, 3), replica(11, 0), replica(4, 7)]
    settings = Settings(epochs=7, batch_size=4)
    whole = train.train(Witness(12), numbered(), replicas, TUNING, settings)
    for number in (5, 6):
        run(tmp_path / "c", replicas, settings, stop=number)
    seen, resumed = run(tmp_path / "c", replicas, settings)
    assert seen == [6, 7]
    same(whole, resumed)


def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path):
    replicas, settings = [replica(8, 3)], Settings(epochs=4, batch_size=4)
    _, whole = run(tmp_path, replicas, settings, every=1)
    damage(tmp_path, 4)
    seen, again = run(tmp_path, replicas, settings, every=1)
    assert seen == [3, 4]
    same(whole, again)
    damage(tmp_path, 3)
    damage(tmp_path, 4)
    with pytest.raises(UserError, match="all checkpoints are damaged"):
        run(tmp_path, replicas, settings)


def test_a_checkpoint_of_other_folds_or_another_model_is_refused(tmp_path):
    settings = Settings(epochs=2, batch_size=4)
    run(tmp_path, [replica(8, 3)], settings, stop=1, every=1)
    with pytest.raises(UserError, match="another architecture or other folds"):
        run(tmp_path, [replica(8, 3), replica(8, 3)], settings)
    with pytest.raises(UserError, match=r"seen.*\(1, 12\) there and \(1, 13\) here"):
        run(tmp_path, [replica(8, 3)], settings, videos=13)


def test_what_is_restored_must_be_finished_and_whole(tmp_path):
    settings = Settings(epochs=2, batch_size=4)
    run(tmp_path, [replica(8, 3)], settings, stop=1, every=1)
    checkpoints = train.Checkpoints(tmp_path)
    with pytest.raises(UserError, match="checkpoint 2 is missing or damaged"):
        train.restore_trained(Witness(12), settings, numbered(), checkpoints, replicas=1)
    checkpoints.close()
    run(tmp_path, [replica(8, 3)], settings)
    damage(tmp_path, 2)
    checkpoints = train.Checkpoints(tmp_path)
    with pytest.raises(UserError, match="checkpoint 2 is missing or damaged"):
        train.restore_trained(Witness(12), settings, numbered(), checkpoints, replicas=1)
    checkpoints.close()


def test_replicas_with_different_settings_train_in_one_program_as_each_alone():
    tunings = [TUNING, TUNING._replace(learning_rate=0.1, weight_decay=0.2), TUNING._replace(seed=3)]
    settings = Settings(epochs=3, batch_size=4)
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda name, _, **fields: compiled.append(fields) if "backend_compile" in name else None
    )
    together, history = train.train(Witness(12), numbered(), [replica(8, 3)] * 3, tunings, settings)
    before = len(compiled)
    for row, tuning in enumerate(tunings):
        alone, own = train.train(Witness(12), numbered(), [replica(8, 3)], tuning, settings)
        np.testing.assert_array_equal(history.losses[:, row], own.losses[:, 0])
        for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
            np.testing.assert_array_equal(a[row], b[0])
    assert len({history.losses[:, row].tobytes() for row in range(3)}) == 3
    assert before > 0  # the listener listens; how many programs there are is counted in support/devices.py


def test_a_pass_that_does_not_fit_says_how_many_were_tried():
    def on_epoch(progress):
        if progress.done:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")  # as a device says it

    replicas = [replica(8, 3)] * 3
    with pytest.raises(UserError, match=r"^3 replicas at once do not fit") as caught:
        train.train(Witness(12), numbered(), replicas, TUNING, Settings(epochs=2), on_epoch=on_epoch)
    assert caught.value.remedy == "replicas_per_pass"
    with pytest.raises(jax.errors.JaxRuntimeError, match="another"), memory.explained(3):
        raise jax.errors.JaxRuntimeError("another fault")


def on_devices(number, *arguments):
    """Runs support/devices.py with so many virtual devices, in float64."""
    environment = os.environ | {
        # Compiling takes most of the time.
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={number} --xla_backend_optimization_level=0",
        "JAX_ENABLE_X64": "1",
        "JAX_PLATFORMS": "cpu",
    }
    command = [sys.executable, devices.__file__, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.long
def test_alone_among_others_and_on_eight_devices():
    """In float64, where only a mistake differs: in float32, hard picks of the curve walk amplify rounding."""
    assert "8 devices" in on_devices(8, "equality")


def test_four_devices_run_one_program_without_collectives():
    assert "4 devices, compiled once each, no collective" in on_devices(4, "program")


def test_checkpoints_of_some_devices_are_read_on_others(tmp_path):
    for number in (1, 3, 2):
        output = on_devices(number, "resume", str(tmp_path))
    assert "ended as undisturbed after [2, 3]" in output


def test_a_replica_learns_from_its_own_labels_where_it_has_some():
    """It ends as one that is trained on inputs with these labels, with class weights too."""
    settings = Settings(epochs=2, batch_size=4, class_weights=True)
    inputs, replicas = numbered(), [replica(8, 0), replica(6, 3)]
    network = WeightedWitness(12)
    labels = np.arange(12) % 3 == 0
    own = [dataclasses.replace(one, label=label) for one, label in zip(replicas, (labels, inputs.label), strict=True)]
    states, _ = train.train(network, inputs, own, TUNING, settings)
    others = inputs._replace(label=labels.astype(inputs.label.dtype))
    for number, given in enumerate((others, inputs)):
        expected, _ = train.train(network, given, replicas, TUNING, settings)
        same(jax.tree.map(lambda x, n=number: x[n], states), jax.tree.map(lambda x, n=number: x[n], expected))


def test_all_replicas_have_labels_of_their_own_or_none():
    mixed = [replica(8, 0), dataclasses.replace(replica(8, 0), label=np.zeros(12))]
    with pytest.raises(ValueError, match="1 of 2 replicas have labels of their own: give all of them some"):
        train.assign(mixed, TUNING)

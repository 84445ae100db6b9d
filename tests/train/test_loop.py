"""Training: who is trained on what, alone and among others, on one device and on eight, interrupted and not."""

import os
import pathlib
import subprocess
import sys

import devices
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from witness import Witness, numbered, replica

from dfuse_jax import train
from dfuse_jax.data.folds import Replica
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.train import epoch as epochs


@pytest.mark.parametrize("epochs_done", [1, 3])
def test_every_fold_gets_exactly_its_own_batches(epochs_done):
    sizes = [11, 8, 4, 3]  # of which 8, 8, 4 and (repeating one) 4 fill batches of 4
    replicas = [replica(n, 11 - n, fold=number) for number, n in enumerate(sizes)]
    settings = train.Settings(epochs=epochs_done, batch_size=4)
    state, _ = train.train(Witness(12), numbered(), replicas, settings)
    for seen, n, clips in zip(state.batch_stats["seen"], sizes, [8, 8, 4, 4], strict=True):
        assert seen.sum() == clips * epochs_done
        assert (seen[n:] == 0).all()  # none that chooses or tests
        assert seen.max() <= epochs_done * (2 if n == 3 else 1)
        assert (seen[:n] > 0).all() or n == 11  # only the incomplete last batch is left out


def test_the_left_out_videos_change_from_epoch_to_epoch():
    settings = train.Settings(epochs=6, batch_size=4)
    state, _ = train.train(Witness(12), numbered(), [replica(11, 0)], settings)
    assert (state.batch_stats["seen"][0, :11] >= 2).all()


def test_clips_are_consecutive_frames_and_end_in_zeros():
    videos = numbered(lengths=(20, 3))
    clips, _ = epochs.clips(videos, jnp.array([0, 1, 0]), jnp.array([4, 0, 0]), 16)
    np.testing.assert_array_equal(clips[0, :, 5, 1], np.arange(4, 20))
    np.testing.assert_array_equal(clips[1, :, 5], [[1, 0, 1], [1, 1, 1], [1, 2, 1]] + [[0, 0, 0]] * 13)
    np.testing.assert_array_equal(clips[2, :, 0, 0], np.zeros(16))


def test_dmarkers_are_standardised_by_own_training_videos():
    features = np.random.default_rng(1).normal(3, 2, (12, 225))
    features[:, 7] = 5  # never varies
    state, _ = train.train(
        Witness(12), numbered(features=features), [replica(8, 3), replica(5, 6)], train.Settings(epochs=1)
    )
    for row, n in enumerate([8, 5]):
        np.testing.assert_allclose(state.dmarkers_mean[row], features[:n].mean(0), rtol=1e-5)
        expected = features[:n].std(0)
        expected[7] = 1
        np.testing.assert_allclose(state.dmarkers_std[row], expected, rtol=1e-4)


class Windows(Witness):
    """Its probability is the sigmoid of the clip's first frame number, scaled."""

    @nn.compact
    def __call__(self, landmarks, dmarkers, *, train=False, neighbours=None):
        self.variable("batch_stats", "seen", jnp.zeros, self.videos)
        self.param("unused", nn.initializers.zeros, ())
        return landmarks[:, 0, 0, 1] / 100


def test_evaluation_averages_probabilities_of_windows_over_the_whole_video():
    videos = numbered(lengths=(16, 17, 400))
    settings = train.Settings(epochs=40, eval_windows=5, batch_size=2)
    one = Replica(0, 0, np.array([0, 1]), np.arange(0), np.array([0, 1, 2]))
    _, history = train.train(Windows(3), videos, [one], settings)
    first, second, third = history.probabilities[:, 0].T
    np.testing.assert_allclose(first, 0.5, rtol=1e-6)  # only one window fits
    steps = (second - 0.5) / (1 / (1 + np.exp(-0.01)) - 0.5) * 5  # how many of five windows start at frame 1
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-3)
    assert {0, 5} != set(np.round(steps)) and 1.5 < steps.mean() < 3.5
    middle = np.mean(1 / (1 + np.exp(-np.arange(385) / 100)))
    assert abs(third.mean() - middle) < 0.02 and third.std() > 0.01


def test_the_last_epoch_takes_smaller_steps():
    settings = train.Settings(epochs=1, batch_size=4, last_epoch_factor=0.0)
    state, history = train.train(Witness(12), numbered(), [replica(8, 0)], settings)
    frozen = jax.tree.leaves(state.params)
    started, _ = train.train(Witness(12), numbered(), [replica(8, 0)], train.Settings(epochs=0, batch_size=4))
    for a, b in zip(frozen, jax.tree.leaves(started.params), strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.isfinite(history.losses).all()
    moved, _ = train.train(Witness(12), numbered(), [replica(8, 0)], train.Settings(epochs=1, batch_size=4))
    step = np.abs(moved.params["Dense_0"]["bias"] - started.params["Dense_0"]["bias"]).max()
    assert 0 < step <= 2 * 5e-5 * 1.01  # two AdamW steps at a tenth of 5e-4


class Stop(Exception):
    pass


def test_a_resumed_run_ends_as_an_undisturbed_one(tmp_path):
    replicas = [replica(8, 3), replica(11, 0), replica(4, 7)]
    settings = train.Settings(epochs=7, batch_size=4)
    whole = train.train(Witness(12), numbered(), replicas, settings)

    def stop_at(number):
        def on_epoch(done, history):
            if done == number:
                raise Stop

        return on_epoch

    for number in (5, 6):
        checkpoints = train.Checkpoints(tmp_path / "c", every=2)
        with pytest.raises(Stop):
            train.train(Witness(12), numbered(), replicas, settings, checkpoints=checkpoints, on_epoch=stop_at(number))
        checkpoints.close()
    started = []
    resumed = train.train(
        Witness(12),
        numbered(),
        replicas,
        settings,
        checkpoints=train.Checkpoints(tmp_path / "c", every=2),
        on_epoch=lambda done, history: started.append(done),
    )
    assert started == [6, 7]
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(resumed), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path):
    replicas, settings = [replica(8, 3)], train.Settings(epochs=4, batch_size=4)
    whole = train.train(Witness(12), numbered(), replicas, settings)
    checkpoints = train.Checkpoints(tmp_path)
    train.train(Witness(12), numbered(), replicas, settings, checkpoints=checkpoints)
    checkpoints.close()

    def damage(number):
        for path in (tmp_path / str(number)).rglob("*"):
            if path.is_file() and path.parent.name == "d":
                path.write_bytes(path.read_bytes()[:10])

    damage(4)
    started = []
    again = train.train(
        Witness(12),
        numbered(),
        replicas,
        settings,
        checkpoints=train.Checkpoints(tmp_path),
        on_epoch=lambda done, history: started.append(done),
    )
    assert started == [3, 4]
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(a, b)
    damage(3)
    damage(4)
    with pytest.raises(UserError, match="all checkpoints are damaged"):
        train.train(Witness(12), numbered(), replicas, settings, checkpoints=train.Checkpoints(tmp_path))


def test_a_checkpoint_of_other_folds_or_another_model_is_refused(tmp_path):
    settings = train.Settings(epochs=1, batch_size=4)

    def go(model, replicas):
        checkpoints = train.Checkpoints(tmp_path / "c")
        videos = numbered((20,) * model.videos)
        train.train(model, videos, replicas, settings, checkpoints=checkpoints)

    go(Witness(12), [replica(8, 3)])
    with pytest.raises(UserError, match="another architecture or other folds"):
        go(Witness(12), [replica(8, 3), replica(8, 3)])
    with pytest.raises(UserError, match=r"seen.*\(1, 12\) there and \(1, 13\) here"):
        go(Witness(13), [replica(8, 3)])


def test_alone_among_others_and_on_eight_devices():
    """In float64, where only a mistake differs: in float32, hard picks of the curve walk amplify rounding."""
    environment = os.environ | {
        # Compiling takes most of the time, and it is the same program that is compiled for every device.
        "XLA_FLAGS": "--xla_force_host_platform_device_count=8 --xla_backend_optimization_level=0",
        "JAX_ENABLE_X64": "1",
        "JAX_PLATFORMS": "cpu",
    }
    script = pathlib.Path(devices.__file__)
    done = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "8 devices" in done.stdout

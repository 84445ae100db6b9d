"""An epoch of one replica: which videos train it, which clips are drawn, how it is evaluated."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from witness import TUNING, Outputs, Witness, numbered, replica

from dfuse_jax import train
from dfuse_jax.train import Replica, Settings
from dfuse_jax.train import epoch as epochs


@pytest.mark.parametrize("epochs_done", [1, 3])
def test_every_fold_gets_exactly_its_own_batches(epochs_done):
    sizes = [11, 8, 4, 3]  # of which 8, 8, 4 and (repeating one) 4 fill batches of 4
    replicas = [replica(n, 11 - n, fold=number) for number, n in enumerate(sizes)]
    settings = Settings(epochs=epochs_done, batch_size=4)
    state, _ = train.train(Witness(12), numbered(), replicas, TUNING, settings)
    for seen, n, clips in zip(state.collections["batch_stats"]["seen"], sizes, [8, 8, 4, 4], strict=True):
        assert seen.sum() == clips * epochs_done
        assert (seen[n:] == 0).all()  # none that chooses or tests
        assert seen.max() <= epochs_done * (2 if n == 3 else 1)
        assert (seen[:n] > 0).all() or n == 11  # only the incomplete last batch is left out


def test_the_left_out_videos_change_from_epoch_to_epoch():
    settings = Settings(epochs=6, batch_size=4)
    state, _ = train.train(Witness(12), numbered(), [replica(11, 0)], TUNING, settings)
    assert (state.collections["batch_stats"]["seen"][0, :11] >= 2).all()


def test_clips_are_consecutive_frames_and_end_in_zeros():
    videos = jax.tree.map(jnp.asarray, numbered(lengths=(20, 3)))
    clips = epochs.clips(videos, jnp.array([0, 1, 0]), jnp.array([4, 0, 0]), 16)["points"]
    np.testing.assert_array_equal(clips[0, :, 1], np.arange(4, 20))
    np.testing.assert_array_equal(clips[1], [[1, 0, 1], [1, 1, 1], [1, 2, 1]] + [[0, 0, 0]] * 13)
    np.testing.assert_array_equal(clips[2, :, 0], np.zeros(16))


def test_features_are_standardised_by_own_training_videos():
    features = np.random.default_rng(1).normal(3, 2, (12, 7))
    features[:, 5] = 5  # never varies
    replicas = [replica(8, 3), replica(5, 6)]
    state, _ = train.train(Witness(12), numbered(features=features), replicas, TUNING, Settings(epochs=1))
    for row, n in enumerate([8, 5]):
        np.testing.assert_allclose(state.mean["features"][row], features[:n].mean(0), rtol=1e-5)
        expected = features[:n].std(0)
        expected[5] = 1
        np.testing.assert_allclose(state.std["features"][row], expected, rtol=1e-4)


class Windows(Witness):
    """Its probability is the sigmoid of the clip's first frame number, scaled."""

    @nn.compact
    def __call__(self, clip, video, *, train=False, dropout=0.0):
        self.variable("batch_stats", "seen", jnp.zeros, self.videos)
        self.param("unused", nn.initializers.zeros, ())
        return Outputs(clip["points"][:, 0, 1] / 100)


def test_evaluation_averages_probabilities_of_windows_over_the_whole_video():
    videos = numbered(lengths=(16, 17, 400))
    settings = Settings(epochs=40, eval_windows=5, batch_size=2)
    one = Replica(0, 0, np.array([0, 1]), np.arange(0), np.array([0, 1, 2]))
    _, history = train.train(Windows(3), videos, [one], TUNING, settings)
    first, second, third = history.probabilities[:, 0].T
    np.testing.assert_allclose(first, 0.5, rtol=1e-6)  # only one window fits
    steps = (second - 0.5) / (1 / (1 + np.exp(-0.01)) - 0.5) * 5  # how many of five windows start at frame 1
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-3)
    assert {0, 5} != set(np.round(steps)) and 1.5 < steps.mean() < 3.5
    middle = np.mean(1 / (1 + np.exp(-np.arange(385) / 100)))
    assert abs(third.mean() - middle) < 0.02 and third.std() > 0.01


def test_the_last_epoch_takes_smaller_steps():
    def trained(tuning, number):
        settings = Settings(epochs=number, batch_size=4)
        return train.train(Witness(12), numbered(), [replica(8, 0)], tuning, settings)

    started, _ = trained(TUNING, 0)
    frozen, history = trained(TUNING._replace(last_epoch_factor=0.0), 1)
    for a, b in zip(jax.tree.leaves(frozen.params), jax.tree.leaves(started.params), strict=True):
        np.testing.assert_array_equal(a, b)
    assert np.isfinite(history.losses).all()
    moved, _ = trained(TUNING, 1)
    step = np.abs(moved.params["Dense_0"]["bias"] - started.params["Dense_0"]["bias"]).max()
    assert 0 < step <= 2 * 5e-5 * 1.01  # two AdamW steps at a tenth of 5e-4


def test_sgd_with_a_schedule_ends_where_the_rule_says():
    """One video, one step an epoch: the bias moves by the gradient, which is p - y, by hand."""
    videos = numbered(lengths=(16,), features=np.zeros((1, 7)))
    settings = Settings(
        epochs=3,
        batch_size=1,
        optimizer=train.Optimizer(name="sgd", momentum=0.5, milestones=(1,), milestone_factor=0.1),
    )
    one = Replica(0, 0, np.array([0]), np.arange(0), np.array([0]))
    tuning = TUNING._replace(learning_rate=0.2, last_epoch_factor=0.5)
    state, history = train.train(Witness(1), videos, [one], tuning, settings)
    bias = velocity = 0.0
    for epoch, rate in enumerate((0.2, 0.02, 0.01)):
        probability = 1 / (1 + np.exp(-bias))
        np.testing.assert_allclose(history.losses[epoch, 0], -np.log(1 - probability), rtol=1e-5)
        velocity = 0.5 * velocity + probability  # the label is 0
        bias -= rate * velocity
    np.testing.assert_allclose(state.params["Dense_0"]["bias"], [[bias]], rtol=1e-5)


def test_over_replicas_maps_one_by_one_on_a_cpu_and_side_by_side_elsewhere():
    function = lambda own, shared: own * shared  # noqa: E731
    for platform, primitive in (("cpu", "scan"), ("gpu", "mul")):
        mapped = epochs.over_replicas(function, stacked=1, platform=platform)
        np.testing.assert_array_equal(mapped(np.arange(3.0), 2.0), [0, 2, 4])
        names = [equation.primitive.name for equation in jax.make_jaxpr(mapped)(np.arange(3.0), 2.0).jaxpr.eqns]
        assert primitive in names


def test_class_weights_are_the_inverse_of_the_classes_shares_of_the_training_videos():
    labels = np.array([1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0], np.float32)
    videos = jax.tree.map(jnp.asarray, numbered()._replace(label=labels))
    assigned = jax.tree.map(lambda x: jnp.asarray(x[0]), train.assign([replica(4, 8)], TUNING))  # 3 of class 1, 1 of 0
    weight = epochs.class_weight(assigned, videos, jnp.arange(4))
    np.testing.assert_allclose(weight, [4 / 6, 4 / 6, 4 / 6, 2], rtol=1e-6)  # 1 on average

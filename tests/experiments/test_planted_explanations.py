"""Classes that differ in one region and phase alone: the explanations of trained models point there."""

import dataclasses
import functools

import jax
import numpy as np
import planted
import pytest
from scipy.stats import spearmanr

from dfuse_jax import systems
from dfuse_jax.data import synthetic
from dfuse_jax.experiments import recipe
from dfuse_jax.experiments.explain import Explainer, explainer
from dfuse_jax.experiments.predict import Trained
from dfuse_jax.systems.attribution import GROUP_SIZE, GROUPS
from dfuse_jax.train import Replica

pytestmark = pytest.mark.slow

VIDEOS, TRAINED, SEEDS = 120, 80, 5
SHIFT = 1.0  # standard deviations by which either class's features of the planted group are moved apart from the mean


def tiny(**train):
    config = recipe.read("hadamard")
    config.model.update(points=20, neighbours=4, entry=4, blocks=((16, 2),), curves=4, tokens=2, depth=1, time_depth=0)
    config.model.update(heads=1, head_width=8, mlp=8)
    config.train.update(epochs=12, learning_rate=5e-3, eval_windows=2, checkpoint_every=12, **train)
    return config


def fit(system, inputs, directory):
    """A model of the first TRAINED videos."""
    replica = Replica(0, 0, np.arange(TRAINED), np.array([], int), np.arange(TRAINED, VIDEOS))
    system.fit(inputs, [replica], directory)
    return system.load(directory, 1)


def explain_all(system, fitted, samples, inputs):
    """Shapley values [videos, players] of the test videos, as compared with training videos."""
    trained = Trained({"name": "planted", "note": ""}, ((1, 1),), system, fitted)
    features = dict(zip([sample.name for sample in samples], inputs.per_video["dmarkers"], strict=True))

    def planted_inputs(some):
        return (
            dataclasses.replace(system)
            .inputs(some)
            ._replace(per_video={"dmarkers": np.stack([features[sample.name] for sample in some])})
        )

    known = dataclasses.replace(trained, system=dataclasses.replace(system, inputs=planted_inputs))
    why: Explainer = explainer(known, samples[:TRAINED])
    return np.stack(
        [why.contributions(sample.landmarks[20:36], features[sample.name]).values for sample in samples[TRAINED:]]
    )


@functools.cache
def without_differences():
    """Smiles whose classes are alike, and what a system sees of them."""
    samples = synthetic.generate(VIDEOS, VIDEOS // 2, seed=11, frames=(60, 80), difference=0)
    return samples, systems.build(tiny().to_dict()).inputs(samples)


def with_planted(group, seed):
    """The inputs with the 25 features of a group moved apart by class."""
    _, inputs = without_differences()
    features = np.array(inputs.per_video["dmarkers"])
    spread = features[:TRAINED].std(axis=0)
    rng = np.random.default_rng([group, seed])
    side = 2 * inputs.label - 1
    cue = slice(group * GROUP_SIZE, (group + 1) * GROUP_SIZE)
    features[:, cue] += SHIFT * side[:, None] * rng.uniform(0.8, 1.2, (len(side), 1)) * spread[cue]
    return inputs._replace(per_video={"dmarkers": features})


def test_a_planted_group_is_what_the_explanation_points_to(tmp_path):
    """Of 9 groups, 5 trainings each and 40 test videos: the group has the largest effect in 90% of the cases."""
    samples, _ = without_differences()
    shares = np.zeros((len(GROUPS), SEEDS))
    for group in range(len(GROUPS)):
        for seed in range(SEEDS):
            config = tiny()
            config.seed = seed
            system = systems.build(config.to_dict())
            inputs = with_planted(group, seed)
            fitted = fit(system, inputs, tmp_path / f"{group}-{seed}")
            values = explain_all(system, fitted, samples, inputs)
            shares[group, seed] = (np.abs(values).argmax(axis=1) == group).mean()
            print(GROUPS[group], seed, shares[group, seed], flush=True)
    print("share of videos", shares.mean(), "by group", shares.mean(axis=1))
    assert shares.mean() >= 0.9
    assert shares.mean(axis=1).min() >= 0.75


def test_random_weights_lose_it(tmp_path):
    """Adebayo et al. 2018: with the weights of the layers drawn anew, the explanation is another."""
    samples, _ = without_differences()
    group = GROUPS.index(("cheek", "apex"))
    system = systems.build(tiny().to_dict())
    inputs = with_planted(group, 0)
    fitted = fit(system, inputs, tmp_path / "run")
    rng = np.random.default_rng(0)
    random = fitted._replace(
        params=jax.tree.map(lambda x: np.asarray(x) * 0 + rng.permutation(np.ravel(x)).reshape(x.shape), fitted.params)
    )
    trained, shuffled = (explain_all(system, one, samples, inputs) for one in (fitted, random))
    agreement = np.mean([spearmanr(a, b).statistic for a, b in zip(abs(trained), abs(shuffled), strict=True)])
    print("rank correlation of trained and random", agreement)
    assert (np.abs(trained).argmax(axis=1) == group).mean() >= 0.9
    assert abs(agreement) < 0.5


def test_a_cue_that_no_dmarker_reads_is_found_in_the_moving_face(tmp_path):
    """Raised brows: the encoder has by far the largest effect on average, and in most videos.

    With 225 D-Markers of chance and 80 videos the network also learns some of these by heart, so not in all.
    """
    samples = planted.smiles(VIDEOS, "brows", seed=5)
    config = tiny()
    config.train.update(epochs=40)
    config.model.update(points=64)
    system = systems.build(config.to_dict())
    inputs = system.inputs(samples)
    fitted = fit(system, inputs, tmp_path / "run")
    effects = np.abs(explain_all(system, fitted, samples, inputs))
    share = (effects.argmax(axis=1) == len(GROUPS)).mean()
    probabilities = system.predict(fitted, system.inputs(samples[TRAINED:]))[0]
    accuracy = ((probabilities >= 0.5) == np.asarray(inputs.label[TRAINED:])).mean()
    print("encoder", share, "accuracy", accuracy, "mean effects", effects.mean(axis=0).round(3))
    assert share >= 0.75
    assert effects.mean(axis=0)[-1] > 2 * effects.mean(axis=0)[:-1].max()

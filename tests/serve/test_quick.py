"""The quick answer is the one that `predict` gives."""

import dataclasses

import numpy as np

from dfuse_jax import dmarkers, systems
from dfuse_jax.data import synthetic
from dfuse_jax.experiments import predict
from dfuse_jax.serve import quick

SAMPLE = synthetic.generate(1, 1, seed=3)[0]


def test_the_quick_answer_is_that_of_predict(finished):
    trained = predict.load(finished[0])
    answer = quick.prepare(trained)
    for frames in (len(SAMPLE.landmarks), 40, 10):  # the last one is shorter than a clip
        sample = dataclasses.replace(SAMPLE, landmarks=SAMPLE.landmarks[:frames], chip_source=None, flags=None)
        np.testing.assert_allclose(answer(sample).probabilities, trained.predict(sample), atol=1e-5)


def test_so_it_is_in_other_coordinates(finished):
    trained = predict.load(finished[0]).some(1)
    config = {**trained.config, "train": {**trained.config["train"], "clip_coordinates": "motion"}}
    results = {**trained.results, "config": config}
    moving = dataclasses.replace(trained, results=results, system=systems.build(config))
    answer = quick.prepare(moving)(SAMPLE).probabilities
    np.testing.assert_allclose(answer, moving.predict(SAMPLE), atol=1e-5)
    assert np.abs(answer - trained.predict(SAMPLE)).max() > 1e-3


def test_effects_are_those_of_the_mean_training_smile(finished):
    """By asking `predict` with the D-Markers of one group replaced by each model's own training mean."""
    trained = predict.load(finished[0]).some(1)
    effects = quick.prepare(trained)(SAMPLE).effects
    inputs = trained.system.inputs([SAMPLE])
    own, mean = inputs.per_video["dmarkers"][0], np.asarray(trained.fitted.mean["dmarkers"])[0]
    assert list(effects) == [(r, p) for r in dmarkers.REGIONS for p in dmarkers.PHASES]

    def ask(markers):
        return trained.system.predict(trained.fitted, inputs._replace(per_video={"dmarkers": markers[None]}))[0, 0]

    for number, effect in enumerate(effects.values()):
        without = own.copy()
        without[25 * number : 25 * number + 25] = mean[25 * number : 25 * number + 25]
        np.testing.assert_allclose(effect, ask(own) - ask(without), atol=1e-5)
    assert max(map(abs, effects.values())) > 1e-3

"""Options of all systems: class weights, a threshold that validation videos choose, mirrored training videos."""

import json

import numpy as np
import pytest
import toys

from configs import cohn04, dibeklioglu10, dibeklioglu15
from dfuse_jax import systems
from dfuse_jax.experiments import crossval
from dfuse_jax.report import run as report
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.systems import classical
from dfuse_jax.systems.classical import inner_splits


def recipe(module, **fields):
    config = module.get_config()
    config.data.update(videos=24, subjects=12)
    config.cv.update(folds=2, validation_share=0.34)
    config.update_from_flattened_dict({f"options.{name}": value for name, value in fields.items()})
    return config


def test_all_options_of_a_hand_crafted_system_are_done_and_reported(tmp_path):
    config = recipe(cohn04, class_weights=True, threshold=True, mirrored=True)
    results = crossval.cross_validate(config, tmp_path)
    validated, final = (results["protocols"][protocol]["folds"] for protocol in ("validated", "final"))
    assert all(row["n_train"] + row["n_val"] == 12 and row["n_val"] > 0 for row in validated)
    assert all(row["n_train"] == 12 and row["n_val"] == 0 for row in final)  # mirrored videos do not count
    text = (tmp_path / "report.md").read_text()
    for words in ("count alike", "shifted so that this lies at 0.5", "trains mirrored", "chooses the threshold"):
        assert words in text
    assert "count alike" in report.console(results)
    assert len(list((tmp_path / "checkpoints").glob("*.skops"))) == 4  # with and without the validation share


def test_without_options_the_report_says_nothing_of_them(tmp_path):
    crossval.cross_validate(recipe(cohn04), tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert "count alike" not in text and "trains mirrored" not in text and "shifted" not in text


def test_a_network_trains_on_mirrored_videos_too(tmp_path, monkeypatch):
    toys.register()
    config = toys.recipe("pixels", epochs=1)
    config.options = {"class_weights": True, "threshold": True, "mirrored": True}
    steps = {}
    build = systems.build

    def spied(config):
        system = build(config)
        work = system.epoch_work
        object.__setattr__(system, "epoch_work", lambda replicas: steps.setdefault("work", work(replicas)))
        steps["weights"] = system.settings.class_weights
        return system

    monkeypatch.setattr(systems, "build", spied)
    crossval.cross_validate(config, tmp_path)
    results = json.loads((tmp_path / "results.json").read_text())
    rows = [row for protocol in ("validated", "final") for row in results["protocols"][protocol]["folds"]]
    assert steps["work"][0] == sum(2 * row["n_train"] // 4 for row in rows) and steps["weights"]


def test_mirrored_labels_are_shuffled_with_their_videos():
    system, config = systems.build(recipe(cohn04).to_dict()), recipe(cohn04, mirrored=True)
    data = crossval.read_data(config)
    inputs = crossval.read_inputs(system, data, config)
    assert len(inputs.label) == 48
    dealt = crossval.shuffled(inputs, "labels", 0, copies=2).label
    np.testing.assert_array_equal(dealt[:24], dealt[24:])
    np.testing.assert_array_equal(dealt[:24], crossval.shuffled(system.inputs(data.samples), "labels", 0).label)


@pytest.mark.parametrize("module", [cohn04, dibeklioglu10, dibeklioglu15], ids=lambda module: module.__name__)
def test_balanced_classes_find_the_few_where_the_many_would_outvote_them(module):
    # Nothing tells 10 of one class from 50 of the other but a small shift: unbalanced, nearly all are said to be many.
    rng = np.random.default_rng(0)
    labels = (np.arange(60) < 10).astype(int)
    features = rng.standard_normal((60, 225)) + 0.7 * labels[:, None] * (np.arange(225) % 75 < 2)
    features = features[:, :4] if module is cohn04 else features
    splits = inner_splits(labels, np.arange(60))
    recalls = []
    for balanced in (False, True):
        config = recipe(module, class_weights=balanced).to_dict()
        system = systems.build(config)
        assert system.balanced == balanced
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("dfuse_jax.systems.dibeklioglu15.COSTS", (0.01,))
            fitted = system.learn(features, labels, splits, balanced=balanced)
        predicted = classical._probabilities(fitted, features) >= 0.5
        recalls.append(predicted[labels == 1].mean())
    assert recalls[1] >= recalls[0] and recalls[1] > 0.5


def test_nearest_neighbours_have_no_class_weights():
    config = recipe(dibeklioglu10, class_weights=True)
    config.model.classifier = "neighbours"
    with pytest.raises(UserError, match=r"config\.options\.class_weights: nearest neighbours have no weights"):
        systems.build(config.to_dict())

"""A sweep: settings as replicas of one program, chosen on validation videos alone, resumed, reported."""

import csv
import dataclasses
import json

import jax
import jsonschema
import numpy as np
import pytest
import toys
from ml_collections import ConfigDict
from scripts import launch, refused

from dfuse_jax import systems
from dfuse_jax.commands import sweep as command
from dfuse_jax.evaluate import schema
from dfuse_jax.evaluate import sweep as evaluate
from dfuse_jax.experiments import predict, sweep
from dfuse_jax.experiments.progress import ProgressBar
from dfuse_jax.report import sweep as report
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.systems.neural import Neural
from dfuse_jax.train import Replica


@pytest.fixture(autouse=True)
def known_toys():
    toys.register()


def recipe(system="pixels", settings=32, axes=None, **fields):
    content = toys.recipe(system, epochs=2, replicas_per_pass=0).to_dict()
    content["sweep"] = {
        "search": "random",
        "settings": settings,
        "folds": 2,
        "axes": axes or {"learning_rate": "log(1e-3, 1.0)", "weight_decay": "log(1e-5, 1e-1)", "dropout": "0.0, 0.4"},
    }
    config = ConfigDict(content)
    config.update_from_flattened_dict(fields)
    return config


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A sweep of 32 settings, its results, and the programs of epochs that were compiled for it."""
    toys.register()
    directory = tmp_path_factory.mktemp("sweep")
    compiled = []
    jax.clear_caches()
    jax.monitoring.register_event_duration_secs_listener(
        lambda name, _, **fields: compiled.append(fields.get("fun_name")) if "backend_compile" in name else None
    )
    results = sweep.sweep(recipe(), directory)
    return directory, results, [name for name in compiled if name == "jit(_fun)"]  # what `jax.pmap` maps


def test_32_settings_compile_one_program(finished):
    _, results, compiled = finished
    assert len(results["settings"]) == 32 and results["programs"] == [32]
    assert len(compiled) == 2  # what initialises the replicas, and the epoch


@pytest.mark.long
def test_a_setting_ends_as_it_would_alone(finished, tmp_path):
    """Whatever trains beside it: the replica of one setting, trained by a system of that recipe."""
    _, results, _ = finished
    best = results["settings"][0]
    config = recipe(settings=1, axes={name: (value,) for name, value in best["values"].items()})
    alone = sweep.sweep(config, tmp_path)
    assert alone["settings"][0]["values"] == best["values"]
    assert alone["settings"][0]["validation"] == best["validation"]
    assert alone["settings"][0]["cross_entropy"] == best["cross_entropy"]


def test_the_table_is_sorted_by_what_validation_videos_say(finished):
    directory, results, _ = finished
    keys = [(-row["validation"]["accuracy"]["value"], row["cross_entropy"]) for row in results["settings"]]
    assert keys == sorted(keys)
    with (directory / "sweep.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["rank"] for row in rows] == [str(n) for n in range(1, 33)]
    assert float(rows[0]["learning_rate"]) == results["settings"][0]["values"]["learning_rate"]
    assert float(rows[0]["validation_accuracy"]) == results["settings"][0]["validation"]["accuracy"]["value"]
    assert "test" not in ",".join(rows[0])


def test_main_effects_hold_every_setting_once(finished):
    _, results, _ = finished
    for levels in results["effects"].values():
        assert sum(level["settings"] for level in levels) == 32
    assert [len(levels) for levels in results["effects"].values()] == [3, 3, 2]
    weights = {str(value): [] for value in (0.0, 0.4)}
    for row in results["settings"]:
        weights[str(row["values"]["dropout"])].append(row["validation"]["accuracy"]["value"])
    for level in results["effects"]["dropout"]:
        assert level["mean"] == pytest.approx(np.mean(weights[level["level"]]))
        assert level["low"] <= level["mean"] <= level["high"]


def test_files_words_and_a_finished_sweep(finished):
    directory, results, _ = finished
    assert json.loads((directory / "results.json").read_text()) == results
    jsonschema.Draft202012Validator(schema.read("sweep")).validate(results)
    assert "Main effects</h2>" in (directory / "report.html").read_text()
    for name in ("parallel.png", "effects.png"):
        assert (directory / name).stat().st_size > 5000
    text = (directory / "report.md").read_text()
    assert "32 settings in 1 compiled program." in text and "is too high.**" in text
    assert "| dropout | 0.4 |" in text
    assert "an epoch of all took" in report.console(results)
    assert sweep.sweep(recipe(), directory) is None
    with pytest.raises(UserError, match=r"sweep\.settings: 32 there, 31 now"):
        sweep.sweep(recipe(settings=31), directory)
    with pytest.raises(UserError, match=r"results\.json is of a sweep, not of a cross-validation"):
        predict.load(directory)


def trials(right, **changes):
    """Two settings on two folds of four validation and four test videos; `right`: which of these each gets right."""
    labels = np.tile([0, 1], 8)
    folds = [
        Replica(0, 0, np.arange(8, 16), np.arange(4), np.arange(4, 8)),
        Replica(0, 1, np.arange(8), np.arange(8, 12), np.arange(12, 16)),
    ]
    probabilities = np.full((1, 4, 8), np.nan)
    for replica, words in enumerate(right):
        fold = folds[replica % 2]
        for place, (video, word) in enumerate(zip([*fold.val, *fold.test], words.replace(" ", ""), strict=True)):
            probabilities[0, replica, place] = 0.9 if (word == "1") == bool(labels[video]) else 0.1
    fields = {
        "name": "hand",
        "note": "Made up.",
        "axes": {"dropout": ""},
        "settings": [{"dropout": 0.0}, {"dropout": 0.5}],
        "seeds": [0],
        "programs": [[0, 1]],
        "folds": folds,
        "labels": labels,
        "subjects": [f"s{n}" for n in range(16)],
        "subjects_known": True,
        "probabilities": probabilities,
        "seconds": 1.0,
        "epoch_seconds": None,
        "config": {},
    }
    return evaluate.Trials(**fields | changes)


def test_test_videos_choose_nothing():
    """The first setting is better on validation, the second on test videos: the first is chosen, in every fold."""
    results = evaluate.compute(trials(["1111 0000", "1110 0001", "1100 1111", "1100 1111"]))
    assert [row["number"] for row in results["settings"]] == [1, 2]
    assert results["settings"][0]["validation"]["accuracy"]["value"] == 7 / 8
    assert results["nested"]["numbers"] == [1, 1]
    assert results["nested"]["scores"]["accuracy"]["value"] == 1 / 8
    flipped = evaluate.compute(trials(["1111 1111", "1110 1111", "1100 0000", "1100 0000"]))
    assert [row["number"] for row in flipped["settings"]] == [1, 2] and flipped["nested"]["numbers"] == [1, 1]


def test_each_fold_takes_its_own_best_setting():
    results = evaluate.compute(trials(["1111 1100", "1000 0000", "1110 0000", "1111 1110"]))
    assert results["nested"]["numbers"] == [1, 2]
    assert results["nested"]["scores"]["accuracy"]["value"] == 5 / 8
    assert results["settings"][0]["number"] == 2  # 7 of 8 against 5 of 8


def test_ties_go_to_the_lower_cross_entropy():
    made = trials(["1110 1111", "1110 1111", "1110 1111", "1110 1111"])
    confident = made.probabilities.copy()
    confident[:, 2:] = np.where(confident[:, 2:] > 0.5, 0.99, 0.01)  # wrong just as surely
    results = evaluate.compute(dataclasses.replace(made, probabilities=confident))
    assert [row["number"] for row in results["settings"]] == [1, 2]


def test_seeds_are_averaged_and_stand_beside_each_other():
    both = trials(["1111 1111", "1111 1111", "1100 1100", "1100 1100"])
    made = dataclasses.replace(both, settings=[{"dropout": 0.0}], seeds=[3, 5], axes={"dropout": "", "seed": ""})
    results = evaluate.compute(dataclasses.replace(made, programs=[[0]]))
    assert results["settings"][0]["validation"]["accuracy"]["value"] == 0.75
    assert [(level["level"], level["mean"]) for level in results["effects"]["seed"]] == [("3", 1.0), ("5", 0.5)]
    assert evaluate.ordered([1.0, 0.1, 1.0]) == [0.1, 1.0] and evaluate.ordered(["b", "a"]) == ["b", "a"]
    assert results["nested"]["scores"]["accuracy"]["value"] == 0.75


@pytest.mark.long
def test_a_program_each_for_what_is_compiled_in(tmp_path):
    axes = {"learning_rate": "0.01, 0.05", "clip_frames": "4, 6", "seed": "0, 1"}
    results = sweep.sweep(recipe(axes=axes, **{"sweep.search": "grid"}), tmp_path)
    assert results["programs"] == [2, 2] and len(results["settings"]) == 4
    values = [tuple(row["values"].values()) for row in results["settings"]]
    assert sorted(values) == [(0.01, 4), (0.01, 6), (0.05, 4), (0.05, 6)]
    assert {row["program"] for row in results["settings"] if row["values"]["clip_frames"] == 4} == {1}
    assert [level["settings"] for level in results["effects"]["seed"]] == [4, 4]
    assert sorted(path.name for path in (tmp_path / "programs").iterdir()) == ["1", "2"]


@pytest.mark.long
def test_an_interrupted_sweep_goes_on(finished, tmp_path, monkeypatch):
    show = ProgressBar.__call__

    def interrupted(self, progress):
        show(self, progress)
        if progress.done == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(ProgressBar, "__call__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sweep.sweep(recipe(), tmp_path)
    assert (tmp_path / "programs/1/1").exists() and not (tmp_path / "results.json").exists()
    monkeypatch.setattr(ProgressBar, "__call__", show)
    results = sweep.sweep(recipe(), tmp_path)
    assert results["settings"] == finished[1]["settings"] and results["nested"] == finished[1]["nested"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"axes": {"momentum": "0.1"}},
            r"config\.sweep\.axes: unknown field 'momentum'; known: learning_rate, .*dropout",
        ),
        ({"axes": {"dropout": "0.1, 1.5"}}, r"config\.model\.dropout is 1\.5; it must be from 0 to 0\.99"),
        ({"axes": {"dropout": "uniform(0, 1)"}}, r"config\.model\.dropout is 1"),
        ({"axes": {"learning_rate": "-1.0, 1.0"}}, r"config\.train\.learning_rate is -1\.0"),
        ({"axes": {"dropout": "0.1, 0.2", "seed": "-1, 0"}}, r"config\.seed is -1"),
        ({"axes": {"dropout": "0.1, 0.2", "seed": "0.5"}}, r"axes\.seed: 0\.5 is of another type than config\.seed"),
        ({"axes": {"clip_frames": "4, 0"}}, r"config\.train\.clip_frames is 0; it must be at least 1"),
        (
            {"axes": {"clip_frames": "'x'"}},
            r"axes\.clip_frames: 'x' is of another type than config\.train\.clip_frames",
        ),
        ({"sweep.search": "all"}, r"config\.sweep\.search is 'all'; it must be one of grid, random"),
        ({"sweep.settings": 0}, r"config\.sweep\.settings is 0"),
        ({"sweep.folds": 4}, r"config\.sweep\.folds is 4; it must be from 0 to 3"),
        ({"system": "logistic"}, r"config\.system is 'logistic', which trains no network"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_claimed(fields, words, tmp_path):
    with pytest.raises(UserError, match=words):
        sweep.sweep(recipe(**fields), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_demo_is_of_32_settings_in_one_program():
    from configs import sweep as configs

    planned = sweep.plan(configs.get_config())
    assert (len(planned.settings), len(planned.programs)) == (32, 1)
    assert sweep.describe(planned) == "32 settings x 1 seed, in 1 compiled program"
    system = systems.build(planned.programs[0].config)
    assert isinstance(system, Neural)


def test_the_command_lists_the_fields_that_it_knows(tmp_path):
    done = launch("sweep", "--config.sweep.axes.learnin_rate=0.1", "--workdir", tmp_path)
    refused(done, "learnin_rate", "config.sweep.axes has the fields blocks, ", "learning_rate", "weight_decay")
    with pytest.raises(UserError, match=r"'dropout' is not a flag; an axis is given as --config\.sweep\.axes\.dropout"):
        command.sweep(["dropout"], recipe(), str(tmp_path))
    with pytest.raises(UserError, match="config has no section sweep"):
        command.sweep([], toys.recipe("pixels"), str(tmp_path))

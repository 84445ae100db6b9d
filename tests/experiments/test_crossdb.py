"""Across databases: what trains and tests, what the tables say, and what is refused."""

import csv
import dataclasses
import json

import numpy as np
import pytest
import toys
from ml_collections import ConfigDict
from scripts import launch, refused
from sklearn.metrics import roc_auc_score

from configs import crossdb as configs
from dfuse_jax import samples
from dfuse_jax.commands import crossdb as command
from dfuse_jax.data import synthetic
from dfuse_jax.evaluate import matrix
from dfuse_jax.experiments import crossdb, databases, predict
from dfuse_jax.report import matrix as report
from dfuse_jax.runtime.errors import UserError


@pytest.fixture(autouse=True)
def known_toys():
    toys.register()


def recipe(system="logistic", **fields):
    """The recipe of a toy on two small synthetic databases, of which one has classes of different rates."""
    content = toys.recipe(system, epochs=2).to_dict()
    content["databases"] = {
        "old": configs.synthetic(videos=16, subjects=8, fps=(29.0, 25.0)),
        "new": configs.synthetic(videos=24, subjects=12),
    }
    content["data"] = {"train_on": "one", "fps": 0.0, "distinct_subjects": False, "shuffle": "nothing"}
    content["cv"]["folds"] = 2
    config = ConfigDict(content)
    config.update_from_flattened_dict(fields)
    return config


def folders(root, **people):
    """The recipe on folders of samples, each with smiles of its own; {name: prefix of its subjects' names}."""
    config = recipe()
    config.databases = {}
    for seed, (name, prefix) in enumerate(people.items()):
        (root / name).mkdir(parents=True)
        for smile in synthetic.generate(12, 6, seed=seed, frames=(30, 40)):
            own = dataclasses.replace(smile, name=f"{prefix}{smile.name}", subject=f"{prefix}{smile.subject}")
            samples.save(own, root / name / f"{own.name}.npz")
        config.databases[name] = {"source": "folder", "dir": str(root / name)}
    return config


def members(**fields):
    return databases.read(recipe(**fields), lambda line: None)[0]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    toys.register()
    directory = tmp_path_factory.mktemp("crossdb")
    return directory, crossdb.transfer(recipe(), directory)


def rows(directory, **wanted):
    with (directory / "predictions.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if all(row[key] == value for key, value in wanted.items())]


def test_one_trains_and_all_others_test():
    data, design = crossdb.arrange(members(), train_on="one")
    new, old = (design.column_of_video == number for number in (0, 1))
    assert design.columns == design.rows == ["new", "old"]
    assert design.row_of_fold == [0, 0, 1, 1, 0, 1]
    for fold in data.folds[:2]:
        assert new[fold.train].all() and new[fold.test].all()
    assert sorted(np.concatenate([fold.test for fold in data.folds[2:4]])) == np.flatnonzero(old).tolist()
    assert data.folds[4].train.tolist() == np.flatnonzero(new).tolist()
    assert data.folds[4].test.tolist() == np.flatnonzero(old).tolist()
    people = [{data.samples[v].subject for v in part} for part in (data.folds[4].train, data.folds[4].test)]
    assert not people[0] & people[1]


def test_all_but_one_train_and_that_one_tests():
    data, design = crossdb.arrange(members(), train_on="all_but_one")
    assert design.rows == ["itself", "all others"] and design.row_of_fold == [0, 0, 0, 0, 1, 1]
    assert (design.column_of_video[data.folds[5].train] == 0).all()
    assert (design.column_of_video[data.folds[5].test] == 1).all()


def test_every_cell_is_of_its_predictions(finished):
    directory, results = finished
    assert json.loads((directory / "results.json").read_text()) == results
    for protocol in ("validated", "final", "length_only", "rate_only", "majority"):
        for trained, row in zip(results["rows"], results["tables"][protocol], strict=True):
            for tested, cell in zip(results["columns"], row, strict=True):
                found = rows(directory, protocol=protocol, trained_on=trained, tested_on=tested)
                assert len(found) == len({one["video"] for one in found}) == cell["test"]
                labels = np.array([int(one["label"]) for one in found])
                probabilities = np.array([float(one["probability"]) for one in found])
                assert cell["accuracy"]["value"] == pytest.approx(np.mean((probabilities >= 0.5) == labels))
                assert cell["auc"]["value"] == pytest.approx(roc_auc_score(labels, probabilities))
                assert cell["within"] == (trained == tested)
                assert cell["train"] == ([24, 24] if trained == "new" else [16, 16]) or trained == tested


def test_the_rate_alone_tells_classes_apart_that_two_cameras_filmed(finished):
    _, results = finished
    new, old = results["tables"]["rate_only"]
    assert old[1]["accuracy"]["value"] == 1.0
    assert new[1]["accuracy"]["value"] == old[0]["accuracy"]["value"] == 0.5
    text = report.markdown(results)
    assert "**old: its classes have different frame rates (posed 25, spontaneous 29 a second)" in text
    assert "| old | 16 | 8 | 8, 8 | 25 to 29 |" in text and "| new | 24 | 12 | 12, 12 | 50 |" in text


def test_a_control_that_reaches_the_interval_is_marked(finished):
    _, results = finished
    cells = [cell for row in report.table(results, "validated", "accuracy", marked=True) for cell in row[1:]]
    for number, cell in enumerate(cells):
        row, column = divmod(number, 2)
        score = results["tables"]["validated"][row][column]["accuracy"]
        controls = [results["tables"][name][row][column]["accuracy"]["value"] for name in matrix.CONTROLS]
        assert cell.endswith("†") == (max(controls) >= (score["value"] if score["low"] is None else score["low"]))
    assert any("†" in cell for cell in cells)


@pytest.mark.long
def test_at_one_rate_the_rate_tells_nothing(tmp_path):
    results = crossdb.transfer(recipe(**{"data.fps": 25.0, "data.train_on": "all_but_one"}), tmp_path)
    for row in results["tables"]["rate_only"]:
        assert [cell["auc"]["value"] for cell in row if cell] == [0.5] * sum(cell is not None for cell in row)
    assert results["data"][0]["fps"] == [50.0, 50.0] and results["data"][0]["fps_of_classes"]["posed"] == [25.0, 25.0]
    text = (tmp_path / "report.md").read_text()
    assert "All videos were brought to 25 frames a second" in text and "different frame rates" not in text
    assert "| all others |" in text
    assert report.console(results).splitlines()[0].startswith("validated, accuracy")


def test_files_and_a_finished_run(finished):
    directory, _ = finished
    assert (directory / "matrix.png").stat().st_size > 5000
    assert crossdb.transfer(recipe(), directory) is None
    with pytest.raises(UserError, match=r"data\.fps: 0\.0 there, 25\.0 now"):
        crossdb.transfer(recipe(**{"data.fps": 25.0}), directory)
    with pytest.raises(UserError, match=r"results\.json is of a transfer, not of a cross-validation"):
        predict.load(directory)


@pytest.mark.long
def test_an_interrupted_run_goes_on(tmp_path, monkeypatch):
    from dfuse_jax.experiments.progress import ProgressBar

    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    crossdb.transfer(recipe("pixels", **{"train.replicas_per_pass": 0}), whole)
    show = ProgressBar.__call__

    def interrupted(self, progress):
        show(self, progress)
        if progress.done == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(ProgressBar, "__call__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        crossdb.transfer(recipe("pixels", **{"train.replicas_per_pass": 0}), stopped)
    assert (stopped / "checkpoints/1").exists()
    monkeypatch.setattr(ProgressBar, "__call__", show)
    crossdb.transfer(recipe("pixels", **{"train.replicas_per_pass": 0}), stopped)
    assert (stopped / "predictions.csv").read_bytes() == (whole / "predictions.csv").read_bytes()


def test_missing_databases_are_said_and_left_out(tmp_path):
    config = folders(tmp_path, one="a", two="b")
    config.databases.three = {"source": "mmi", "dir": "/nowhere"}
    config.databases.four = {"source": "spos", "dir": ""}
    said = []
    present, left_out = databases.read(config, said.append)
    assert [database.name for database in present] == ["one", "two"]
    assert (
        left_out
        == said[:2]
        == [
            "four is left out: config.databases.four.dir is empty.",
            "three is left out: there is no folder '/nowhere'.",
        ]
    )
    del config.databases["one"]
    with pytest.raises(UserError, match=r"^1 of the 3 databases .* needs two: set config\.databases\.NAME\.dir\. four"):
        databases.read(config, said.append)


def test_databases_that_share_subjects_are_refused_unless_these_are_others(tmp_path):
    config = folders(tmp_path, one="a", two="a")
    with pytest.raises(
        UserError, match=r"one and two share 6 subjects \(a001, .* and 1 more\).*Leave one of the two out"
    ):
        databases.read(config, print)
    config.data.distinct_subjects = True
    present, _ = databases.read(config, lambda line: None)
    people = [{sample.subject for sample in database.samples} for database in present]
    assert people[0].isdisjoint(people[1])


def test_the_same_videos_under_other_names_are_refused(tmp_path):
    config = folders(tmp_path, one="a", two="b")
    smile = synthetic.generate(12, 6, seed=0, frames=(30, 40))[3]
    copy = dataclasses.replace(smile, name="copy", subject="someone else")
    samples.save(copy, tmp_path / "two" / "copy.npz")
    config.data.distinct_subjects = True
    with pytest.raises(UserError, match=r"one and two have 1 videos in common, first a002_deliberate_smile_1"):
        databases.read(config, print)


def test_a_database_of_one_class_is_refused(tmp_path):
    config = folders(tmp_path, one="a", two="b")
    for path in (tmp_path / "two").glob("*spontaneous*"):
        path.unlink()
    with pytest.raises(UserError, match=r"^two: all 6 videos are posed, .* or add spontaneous smiles to it\.$"):
        databases.read(config, print)


def test_folds_that_a_small_database_cannot_have_name_it(tmp_path):
    with pytest.raises(UserError, match=r"^new: 13 folds of 12 subjects") as caught:
        crossdb.transfer(recipe(**{"cv.folds": 13}), tmp_path)
    assert caught.value.remedy == "folds" and not (tmp_path / "config.json").exists()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"data.train_on": "two"}, r"config\.data\.train_on is 'two'; it must be one of one, all_but_one"),
        ({"data.fps": -1.0}, r"config\.data\.fps is -1\.0; it must be from 0 to 1000"),
        ({"databases.old.source": "ckplus"}, r"config\.databases\.old\.source is 'ckplus'.*uva_nemo"),
        ({"databases.new.subjects": 1}, r"config\.databases\.new\.subjects is 1; it must be at least 2"),
        ({"cv.runs": 0}, r"config\.cv\.runs is 0"),
    ],
)
def test_fields_that_cannot_be_are_named(fields, words):
    with pytest.raises(UserError, match=words):
        crossdb.check(recipe(**fields))


def test_the_command_says_what_is_not_its_own(tmp_path):
    refused(launch("crossdb", "--config=crossdb:mmi,spos", "--workdir", tmp_path), "0 of the 2 databases", "mmi.dir")
    with pytest.raises(UserError, match="config has no databases") as caught:
        command.transfer([], toys.recipe("logistic"), str(tmp_path))
    assert caught.value.remedy == "cv"
    with pytest.raises(UserError, match=r"'uva_nemo' is not a flag; .* crossdb:uva_nemo,mmi"):
        command.transfer(["uva_nemo"], recipe(), str(tmp_path))

"""A finished run on labelled videos that had no part in it."""

import csv
import dataclasses
import json

import jsonschema
import numpy as np
import pytest
import toys
from scripts import launch, refused
from sklearn.metrics import roc_auc_score

from dfuse_jax import samples
from dfuse_jax.commands import evaluate as command
from dfuse_jax.data import synthetic
from dfuse_jax.evaluate import schema
from dfuse_jax.experiments import crossval, predict
from dfuse_jax.experiments.evaluate import FILES, evaluate
from dfuse_jax.report import run as report
from dfuse_jax.runtime.errors import UserError

NEW = [
    dataclasses.replace(smile, name=f"new{smile.name}", subject=f"new{smile.subject}")
    for smile in synthetic.generate(12, 4, seed=77)
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of a toy."""
    toys.register()
    directory = tmp_path_factory.mktemp("run")
    crossval.cross_validate(toys.recipe("pixels", epochs=2), directory)
    return directory


@pytest.fixture(scope="module")
def trained(run):
    return predict.load(run)


def test_new_videos_are_judged_as_predict_judges_them(run, trained, tmp_path):
    evaluation = evaluate(trained, NEW, tmp_path, source="new", run=run)
    with (tmp_path / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["video"] for row in rows] == [smile.name for smile in NEW]
    mean = np.array([float(row["probability"]) for row in rows])
    alone = np.stack([trained.predict(smile) for smile in NEW])
    np.testing.assert_allclose(mean, alone.mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose([float(row["low"]) for row in rows], alone.min(axis=1), rtol=1e-5)
    labels = np.array([smile.label for smile in NEW])
    scores = evaluation["scores"]["mean"]
    np.testing.assert_allclose(scores["accuracy"]["value"], np.mean((mean >= 0.5) == labels))
    np.testing.assert_allclose(scores["auc"]["value"], roc_auc_score(labels, mean))
    assert json.loads((tmp_path / "evaluation.json").read_text()) == evaluation
    text = (tmp_path / "evaluation.md").read_text()
    assert "12 videos of 4 subjects: 6 posed, 6 spontaneous" in text
    assert trained.note in text
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
    assert (tmp_path / "calibration.png").stat().st_size > 1000
    jsonschema.Draft202012Validator(schema.read("evaluation")).validate(evaluation)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "12 videos of 4 subjects: 6 posed, 6 spontaneous" in page and page.count("data:image/png;base64,") == 2


def test_a_report_that_lacks_a_file_is_written_again_from_the_checkpoints(run):
    recipe = toys.recipe("pixels", epochs=2)
    assert crossval.cross_validate(recipe, run) is None
    before = {name: (run / name).read_bytes() for name in report.FILES[:-1]}  # results.json holds durations
    trained = {path: path.stat().st_mtime_ns for path in (run / "checkpoints").rglob("*")}
    (run / "report.html").unlink()
    assert crossval.cross_validate(recipe, run) is not None
    assert {name: (run / name).read_bytes() for name in before} == before
    assert {path: path.stat().st_mtime_ns for path in trained} == trained
    assert crossval.cross_validate(recipe, run) is None


def test_groups_of_subjects_are_read_beside_the_data(run, trained, tmp_path):
    subjects = sorted({smile.subject for smile in NEW})
    (tmp_path / "subjects.csv").write_text("subject,sex\n" + f"{subjects[0]},<b>female\n{subjects[1]},male\n")
    evaluation = evaluate(trained, NEW, tmp_path / "out", source="new", run=run, data_directory=tmp_path)
    groups = [row for row in evaluation["subgroups"] if row["property"] == "sex"]
    assert [(row["group"], row["subjects"], row["scores"]) for row in groups] == [
        ("<b>female", 1, None),
        ("male", 1, None),
        ("unknown", 2, None),
    ]
    assert "&lt;b&gt;female" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_subjects_of_the_run_are_refused_or_left_out(run, trained, tmp_path):
    with (run / "predictions.csv").open(newline="") as file:
        subject = next(csv.DictReader(file))["subject"]
    mixed = [dataclasses.replace(NEW[0], subject=subject), *NEW[1:]]
    with pytest.raises(UserError, match=rf"1 of the 12 videos .*\({subject}\)"):
        evaluate(trained, mixed, tmp_path / "refused", source="mixed", run=run)
    assert not (tmp_path / "refused").exists()
    left = evaluate(trained, mixed, tmp_path / "left", source="mixed", run=run, drop_known=True)
    whole = evaluate(trained, NEW[1:], tmp_path / "whole", source="mixed", run=run)
    assert left["scores"] == whole["scores"]
    assert "Left out: 1 videos" in (tmp_path / "left" / "evaluation.md").read_text()
    with pytest.raises(UserError, match="no video is left"):
        evaluate(trained, mixed[:1], tmp_path / "none", source="mixed", run=run, drop_known=True)


def test_videos_without_labels_are_named(run, trained, tmp_path):
    unlabelled = [dataclasses.replace(smile, label=None) for smile in NEW]
    with pytest.raises(UserError, match=f"{NEW[0].name}, .* and 7 more: without a label"):
        evaluate(trained, unlabelled, tmp_path, source="new", run=run)


def test_an_exported_model_does_not_know_whom_it_was_trained_on(run, trained, tmp_path):
    trained.export(tmp_path / "model.npz")
    evaluation = evaluate(predict.load(tmp_path / "model.npz"), NEW, tmp_path, source="new")
    assert "length_only" not in evaluation["scores"]
    assert "unknown: their subjects may be among these" in (tmp_path / "evaluation.md").read_text()


def test_one_class_has_an_accuracy_and_no_auc(run, trained, tmp_path):
    posed = [smile for smile in NEW if smile.label == 0]
    evaluation = evaluate(trained, posed, tmp_path, source="posed", run=run)
    assert evaluation["scores"]["mean"]["accuracy"]["value"] is not None
    assert evaluation["scores"]["mean"]["auc"]["value"] is None


def test_the_command_reads_a_folder_of_samples(run, tmp_path, capsys):
    (tmp_path / "data").mkdir()
    for smile in NEW:
        samples.save(smile, tmp_path / "data" / f"{smile.name}.npz")
    command.evaluate(str(run), str(tmp_path / "data"), "folder", tmp_path / "out", drop_known=False)
    printed = capsys.readouterr().out
    assert "on data" in printed and "mean of" in printed
    assert (tmp_path / "out" / "evaluation.json").exists()


def test_the_command_says_what_it_needs(tmp_path):
    refused(launch("evaluate", "--checkpoint", tmp_path), "--checkpoint RUN --data DIR --out OUT")

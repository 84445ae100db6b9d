"""The files of a run's report, and the order in which they appear."""

import json
import os
import pathlib

import pytest
from outcomes import only, outcome, outcome_without_epochs

from dfuse_jax.evaluate.results import compute_results, predictions_csv
from dfuse_jax.report import run
from dfuse_jax.report.run import words

PICTURES = ["learning_curves.png", "calibration.png", "roc.png"]
NAMES = ["predictions.csv", *PICTURES, "report.md", "report.html", "model_card.md", "results.json"]


def test_files_and_their_order(tmp_path, monkeypatch):
    directory, written, replace = tmp_path / "a" / "b", [], os.replace

    def spy(source, target):
        written.append(pathlib.Path(target))
        replace(source, target)

    monkeypatch.setattr("os.replace", spy)
    results = run.write(directory, outcome())
    assert [path.name for path in written if path.parent == directory] == NAMES
    assert sorted(path.name for path in directory.iterdir()) == sorted(NAMES)

    def constant(name):
        raise AssertionError(f"{name} is no JSON")

    content = (directory / "results.json").read_text()
    assert json.loads(content, parse_constant=constant) == results == compute_results(outcome())
    assert (directory / "predictions.csv").read_text(encoding="utf-8") == predictions_csv(outcome())
    assert (directory / "report.md").read_text(encoding="utf-8") == words.markdown(results)


def test_a_report_that_fails_is_not_finished(tmp_path, monkeypatch):
    run.write(tmp_path, outcome())
    before = (tmp_path / "report.md").read_bytes()

    def fail(results):
        raise RuntimeError("full disk")

    monkeypatch.setattr(words, "markdown", fail)
    with pytest.raises(RuntimeError):
        run.write(tmp_path, outcome())
    assert not (tmp_path / "results.json").exists()
    assert (tmp_path / "report.md").read_bytes() == before


def test_two_reports_of_one_run_differ_in_nothing(tmp_path):
    run.write(tmp_path / "a", outcome())
    run.write(tmp_path / "b", only(outcome(), [3, 1, 0, 2], seconds=99.0))
    for name in ("predictions.csv", "report.md"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_system_without_epochs_has_every_file(tmp_path):
    results = run.write(tmp_path, outcome_without_epochs())
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NAMES)
    assert json.loads((tmp_path / "results.json").read_text()) == results

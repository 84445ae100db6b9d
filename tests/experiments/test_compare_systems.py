"""The systems of Table 5 side by side: one table, resumed, with what is known of each."""

import csv
import json
import shutil

import pytest
from scripts import launch, refused

from configs import table5 as recipe
from dfuse_jax.experiments import compare
from dfuse_jax.report import comparison
from dfuse_jax.report.comparison import words
from dfuse_jax.runtime.errors import UserError


def small(*names):
    config = recipe.get_config()
    config.systems = names
    config.data.update(videos=24, subjects=12)
    config.cv.update(folds=3)
    return config


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    directory = tmp_path_factory.mktemp("table5")
    return directory, compare.compare(small("cohn04", "dibeklioglu10"), directory)


def test_the_table_says_what_each_system_needs_and_where_it_comes_from(finished):
    directory, standings = finished
    written = [*directory.glob("benchmark*"), *directory.glob("report*")]
    assert {path.name for path in written} == set(comparison.FILES)
    assert [(row["system"], row["input"], row["provenance"]) for row in standings["rows"]] == [
        ("cohn04", "landmarks", "ours"),
        ("dibeklioglu10", "landmarks", "ours"),
    ]
    assert standings["rows"][0]["parameters"] == 5 and standings["rows"][1]["parameters"] is None
    assert len(standings["pairs"]) == 1 and standings["epochs"] == 1
    text = (directory / "benchmark.md").read_text()
    assert "# The systems of the paper's Table 5" in text and "`ours`, our reading" in text
    assert "fusion" not in text
    assert (directory / "benchmark.tex").read_text().count("landmarks & ours") == 2
    with open(directory / "benchmark.csv", newline="") as file:
        assert [row["system"] for row in csv.DictReader(file)] == ["cohn04", "dibeklioglu10", "length_only"]
    assert max(len(line) for line in words.console(standings).splitlines()) < 120


def test_what_is_done_is_not_run_again_and_systems_can_be_added(finished, tmp_path):
    directory, first = finished
    shutil.copytree(directory, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "dibeklioglu10")  # as if killed before it
    before = (tmp_path / "cohn04/results.json").stat().st_mtime_ns
    again = compare.compare(small("dibeklioglu10,cohn04"), tmp_path)
    assert (tmp_path / "cohn04/results.json").stat().st_mtime_ns == before
    by_name = {row["system"]: row for row in again["rows"]}
    assert list(by_name) == ["dibeklioglu10", "cohn04"]
    for row in first["rows"]:
        assert by_name[row["system"]]["validated"] == row["validated"]


def test_another_recipe_of_a_system_is_refused(finished):
    directory, _ = finished
    config = small("cohn04")
    config.recipes.cohn04.model.side = "right"
    with pytest.raises(UserError, match=r"model\.side: 'mean' there, 'right' now"):
        compare.compare(config, directory)


def test_standings_on_a_database_stand_beside_the_papers_values(finished):
    _, standings = finished
    content = json.loads((finished[0] / "cohn04/results.json").read_text())
    content["config"]["data"]["source"] = "mmi"
    facts = {"cohn04": {key: standings["rows"][0][key] for key in ("title", "input", "provenance", "parameters")}}
    on_mmi = comparison.compute_standings({"cohn04": content}, facts, kind="system")
    assert on_mmi["rows"][0]["paper"] == 81.0
    text = words.markdown(on_mmi)
    assert "| cohn04 | 81.0 |" in text and "as the literature reports it" in text


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"systems": ()}, "config.systems is empty; known: cohn04"),
        ({"systems": ("cohn04", "svm")}, "config.systems: unknown system 'svm'; known: cohn04"),
        ({"systems": ("cohn04",), "recipes.cohn04.model.side": "left"}, "config.model.side is 'left'"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_claimed(fields, words, tmp_path):
    config = small()
    config.update_from_flattened_dict(fields)
    with pytest.raises(UserError, match=words):
        compare.compare(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_comparison_is_no_recipe_of_one_run(tmp_path):
    refused(launch("cv", "--config=table5", "--workdir", tmp_path), "recipe of a comparison", "dfuse-benchmark")

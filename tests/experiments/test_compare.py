"""dfuse-benchmark as a user meets it: a run, its resumption, refusals."""

import csv
import json

import pytest
from ml_collections import ConfigDict
from scripts import TINY, launch, refused

from configs import benchmark as benchmark_recipe
from dfuse_jax.experiments import compare
from dfuse_jax.report import comparison
from dfuse_jax.runtime.errors import UserError

SMALL = ["--config=benchmark", *TINY[1:]]


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory):
    directory = tmp_path_factory.mktemp("benchmark") / "run"
    done = launch("benchmark", *SMALL, "--workdir", directory, "--config.fusions=hadamard,attention")
    assert done.returncode == 0, done.stderr[-3000:]
    return directory, done


def _stamps(directory):
    return {path.parent.name: path.stat().st_mtime_ns for path in directory.glob("*/results.json")}


def _fusions(directory):
    with open(directory / "benchmark.csv", newline="") as file:
        return [row["fusion"] for row in csv.DictReader(file)]


def test_a_benchmark_ends_in_one_table(benchmark):
    directory, done = benchmark
    assert "[2/2] attention" in done.stdout and "to go for the other 1" in done.stdout
    assert str(directory) in done.stdout.splitlines()[-1]
    written = [*directory.glob("benchmark*"), *directory.glob("report*")]
    assert {path.name for path in written} == set(comparison.FILES)
    assert _fusions(directory) == ["hadamard", "attention", "length_only"]
    found = json.loads((directory / "benchmark.json").read_text())
    first = json.loads((directory / "hadamard/results.json").read_text())
    assert found["rows"][0]["validated"] == first["protocols"]["validated"]["summary"]
    assert first["config"]["model"]["fusion"] == "hadamard" and first["runs"] == 2 and found["missing"] == []


def test_what_is_done_is_not_run_again_and_fusions_can_be_added(benchmark):
    directory, _ = benchmark
    before = _stamps(directory)
    more = launch(
        "benchmark", *SMALL, "--workdir", directory, "--config.fusions=('attention', 'cross_attention', 'hadamard')"
    )
    assert more.returncode == 0 and "[1/1] cross_attention" in more.stdout, more.stderr[-3000:]
    after = _stamps(directory)
    assert after.pop("cross_attention") and after == before
    assert _fusions(directory) == ["attention", "cross_attention", "hadamard", "length_only"]
    assert len({(directory / name / "data.json").read_text() for name in _stamps(directory)}) == 1
    # The same equations from the same seeds on the same data.
    found = json.loads((directory / "benchmark.json").read_text())
    one, other, _ = ({k: row[k] for k in ("validated", "final", "peeked", "rank")} for row in found["rows"])
    assert one == other


def _again(directory, fusion):
    """The config of the benchmark in this folder, for another fusion."""
    config = ConfigDict(json.loads((directory / "config.json").read_text()))
    config.fusions = (fusion,)
    return config


def test_another_recipe_or_other_data_are_refused(benchmark, tmp_path):
    directory, _ = benchmark
    config = _again(directory, "hadamard")
    config.train.epochs = 5
    with pytest.raises(UserError, match=r"train\.epochs: 4 there, 5 now"):
        compare.compare(config, directory)

    data = (directory / "data.json").read_text()
    (tmp_path / "data.json").write_text(data.replace('"videos": 24', '"videos": 25'))
    with pytest.raises(UserError, match=r"data set \(.*videos: 25 there, 24 now"):
        compare.compare(_again(directory, "none"), tmp_path)


def test_a_damaged_result_is_named(benchmark, tmp_path):
    directory, _ = benchmark
    (tmp_path / "hadamard").mkdir()
    (tmp_path / "hadamard/results.json").write_text("{")
    with pytest.raises(UserError, match=r"hadamard/results.json is damaged.*Delete"):
        compare.compare(_again(directory, "hadamard"), tmp_path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config.fusions=hadamard,magic"], ["'magic'", "token_attention", "config.fusions"]),
        (["--config.model.fusion=film"], ["fusion"]),
        (["--config=configs/film.py"], ["dfuse-cv"]),
        (["film"], ["'film' is not a flag", "--config.fusions"]),
    ],
)
def test_bad_input_is_one_clear_line(arguments, words, tmp_path):
    start = [] if arguments[0].startswith("--config=") else SMALL
    refused(launch("benchmark", *start, "--workdir", tmp_path / "run", *arguments), *words)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("database", "fields", "words"),
    [
        ("", {"fusions": ()}, "config.fusions is empty; known: concatenation"),
        ("", {"train.epochs": 0}, "config.train.epochs is 0"),
        ("", {"model.blocks": ((18, 2),), "fusions": ("none", "multihead_attention")}, "multihead_attention.* 18 "),
        ("bbc", {"fusions": ("none",)}, "BBC.*no folder given|no folder given.*BBC"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_claimed(database, fields, words, tmp_path):
    config = benchmark_recipe.get_config(database)
    config.update_from_flattened_dict(fields)
    with pytest.raises(UserError, match=words):
        compare.compare(config, tmp_path / "run")
    assert not (tmp_path / "run/config.json").exists()

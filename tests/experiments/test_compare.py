"""launch/benchmark.py and its tables: statistics, the paper's values, the configs, a run, its resumption, refusals."""

import csv
import importlib.util
import json
import math
import re

import numpy as np
import pytest
from ml_collections import ConfigDict
from scipy import stats
from scripts import ROOT, TINY, launch, refused

from dfuse_jax.evaluate import paper, significance
from dfuse_jax.experiments import compare, recipe
from dfuse_jax.models.fusion import FUSIONS
from dfuse_jax.report.comparison import exports, standings
from dfuse_jax.report.comparison import words as sheets
from dfuse_jax.runtime.errors import UserError

SMALL = ["--config=configs/benchmark.py", *TINY[1:]]
FACTS = {"equations": "12", "sees_encoder": True, "parameters": 1234}


# Statistics


def test_corrected_t_by_hand():
    t, p = significance.corrected_t([0.6, 0.8, 0.9, 0.5], [0.5, 0.6, 0.6, 0.5], ratio=0.25)
    # d = .1, .2, .3, 0: mean .15, variance .05 / 3; (1/4 + 1/4) .05 / 3 = 1/120
    assert t == pytest.approx(0.15 * math.sqrt(120))
    u = t / math.sqrt(3)  # Student's distribution with 3 degrees of freedom in closed form
    assert p == pytest.approx(1 - 2 / math.pi * (u / (1 + u**2) + math.atan(u)))


def test_corrected_t_without_correction_is_the_paired_t_test_and_with_it_is_more_careful():
    a, b = np.random.default_rng(0).normal([[0.8], [0.7]], 0.1, (2, 30))
    plain = significance.corrected_t(a.reshape(3, 10), b.reshape(3, 10), ratio=0)
    np.testing.assert_allclose(plain, stats.ttest_rel(a, b))
    assert significance.corrected_t(a, b, ratio=1 / 9)[1] > plain[1]
    assert significance.corrected_t(b, a, ratio=0) == pytest.approx((-plain[0], plain[1]))


def test_corrected_t_at_its_limits():
    same = np.array([0.1, 0.2, 0.7])
    assert significance.corrected_t(same, same, 0.1) == (0, 1)
    assert significance.corrected_t(same, same + 0.1, 0.1) == (-math.inf, 0)
    assert np.isnan(significance.corrected_t([0.1], [0.2], 0.1)).all()
    assert np.isnan(significance.corrected_t([0.1, np.nan], [0.2, 0.2], 0.1)).all()
    with_gap = significance.corrected_t([0.1, np.nan, 0.4, 0.5], [0.2, 0.2, 0.2, 0.2], 0.1)
    assert with_gap == significance.corrected_t([0.1, 0.4, 0.5], [0.2, 0.2, 0.2], 0.1)


def test_holm_by_hand():
    np.testing.assert_allclose(significance.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(significance.holm([0.6, 0.7]), [1, 1])
    np.testing.assert_allclose(significance.holm([0.02, np.nan, 0.03]), [0.04, np.nan, 0.04])
    assert significance.holm([]).shape == (0,)


@pytest.mark.parametrize(("k", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (10, 3.164)])
def test_critical_difference_has_the_q_of_demsar_table_5(k, q):
    assert significance.critical_difference(k, 30) / math.sqrt(k * (k + 1) / 180) == pytest.approx(q, abs=0.001)


def test_ranks_with_ties_by_hand():
    found = significance.ranking([[0.9, 0.8, 0.7, np.nan], [0.9, 0.6, 0.7, 1], [0.5, 0.7, 0.7, 1]])
    # folds: 1.5 1.5 3, 1 3 2, 2 2 2; the last has no value for all
    np.testing.assert_allclose(found.ranks, [4.5 / 3, 6.5 / 3, 7 / 3])
    assert found.blocks == 3
    assert found.groups == [[0, 1, 2]]
    # sums 4.5 6.5 7: squares of the deviations from 6 are 3.5; of all ranks from 2, 1.5 + 2 + 0
    assert found.statistic == pytest.approx(2 * 3.5 / 3.5)
    assert found.p == pytest.approx(math.exp(-1))  # chi-square with 2 degrees of freedom


def test_friedman_agrees_with_scipy():
    scores = np.random.default_rng(1).integers(5, 10, (6, 12)) / 10  # with ties
    found = significance.ranking(scores)
    np.testing.assert_allclose((found.statistic, found.p), stats.friedmanchisquare(*scores))


def test_last_digits_make_no_difference():
    a, b = np.array([0.1 + 0.2, 0.5]), np.array([0.3, 0.5])
    assert a[0] != b[0]
    np.testing.assert_allclose(significance.ranking([a, b]).ranks, 1.5)
    assert significance.corrected_t(a, b, 0.1) == (0, 1)


@pytest.mark.parametrize(
    ("difference", "expected"),
    [(0.5, []), (1, [[0, 2], [2, 1]]), (1.5, [[0, 2], [2, 1], [1, 3]]), (2, [[0, 2, 1], [1, 3]]), (9, [[0, 2, 1, 3]])],
)
def test_groups_are_the_largest_that_do_not_differ(difference, expected):
    assert significance.groups([1, 3, 2, 4.5], difference) == expected


def test_a_single_variant_and_no_block():
    alone = significance.ranking([[0.5, 0.6]])
    assert alone.ranks == [1] and alone.p == 1 and math.isnan(alone.critical_difference) and alone.groups == []
    empty = significance.ranking([[np.nan], [0.5]])
    assert empty.blocks == 0 and np.isnan(empty.ranks).all()


# The paper


def test_the_papers_rows_have_the_averages_that_it_prints():
    printed = [94.95, 92.65, 87.03, 96.73, 95.25, 89.53, 88.13, 87.95, 87.18, 90.33, 93.00, 91.80, 94.23, 92.45, 93.88]
    averages = [np.mean([paper.accuracy(fusion, database) for database in paper.DATABASES]) for fusion in paper.TABLE4]
    np.testing.assert_allclose(averages, printed, atol=0.0051)
    assert list(paper.TABLE4) == list(FUSIONS)[:15]


def test_the_papers_columns_have_these_sums():
    # of the columns as they stand in the paper, summed apart
    sums = {"uva_nemo": 1286.5, "mmi": 1412.5, "spos": 1401.2, "bbc": 1400.0}
    for database, total in sums.items():
        assert sum(row[database] for row in paper.TABLE4.values()) == pytest.approx(total)
    assert paper.accuracy("none", "spos") == 94.4
    assert paper.accuracy("token_attention", "spos") is None and paper.accuracy("hadamard", "synthetic") is None


# Configs


def _config(name, database=None):
    spec = importlib.util.spec_from_file_location(name, ROOT / f"configs/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module, module.get_config(database)


def test_every_fusion_has_a_config_and_every_config_a_fusion():
    assert {path.stem for path in (ROOT / "configs").glob("*.py")} - {"__init__"} == {*FUSIONS, "benchmark"}


@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_config_is_of_its_own_fusion_and_quotes_the_paper(fusion):
    module, config = _config(fusion, "mmi")
    recipe.check(config)
    assert config.model.fusion == fusion and config.data.source == "mmi" and config.name == f"{fusion}-mmi"
    assert _config(fusion)[1].data.source == "synthetic"
    assert f"configs/{fusion}.py" in module.__doc__
    quoted = re.findall(r"(?:UvA-NEMO|MMI|SPOS|BBC) ([\d.]+)", module.__doc__)
    values = [paper.accuracy(fusion, database) for database in paper.DATABASES]
    assert [float(value) for value in quoted] == [value for value in values if value is not None]
    if equations := FUSIONS[fusion].equations:
        assert re.search(rf"eqs?\. {equations}\b", module.__doc__.splitlines()[0])


def test_the_benchmark_has_the_papers_recipe():
    config = _config("benchmark", "uva_nemo")[1].to_dict()
    assert config.pop("fusions") == tuple(FUSIONS)
    single = recipe.get("film", "uva_nemo").to_dict()
    assert single["model"].pop("fusion") == "film" and single.pop("name") and config.pop("name")
    assert config == single


# Tables


def _results(accuracies, database="bbc", auc=0.75):
    """What results.json holds of one run with these accuracies of its folds."""
    numbers = {"run": 0, "n_train": 7, "n_val": 1, "n_test": 2, "balanced_accuracy": 0.5, "auc": auc}
    folds = [{**numbers, "fold": fold, "accuracy": accuracy} for fold, accuracy in enumerate(accuracies)]
    mean = {"mean": float(np.mean(accuracies)), "low": 0.25, "high": 1.0}
    other = {"mean": auc, "low": None, "high": None}
    protocol = {"folds": folds, "summary": {"accuracy": mean, "balanced_accuracy": other, "auc": other}}
    return {
        "note": "A test.",
        "config": {"data": {"source": database}},
        "data": {"videos": 20, "subjects": 10},
        "versions": {},
        **{"epochs": 3, "runs": 1, "folds": len(accuracies)},
        "protocols": dict.fromkeys(("validated", "final", "length_only"), protocol)
        | {"peeked": {**protocol, "coin_flip": 0.9}},
        "majority": {"summary": {"accuracy": mean}},
        "speed": {"ms_per_fold_step": 1.5, "clips_per_second": None},
    }


def _table(of_fusions, **settings):
    return standings.standings(
        {name: _results(accuracies, **settings) for name, accuracies in of_fusions.items()},
        dict.fromkeys(of_fusions, FACTS) | {"attention": {**FACTS, "sees_encoder": False}},
    )


SEEN = {"hadamard": [0.9, 0.8, 1.0], "film_hadamard": [0.5, 0.6, 0.6], "attention": [0.9, 0.8, 1.0]}


def test_the_table_has_the_papers_value_only_on_its_database():
    assert [row["paper"] for row in _table(SEEN)["rows"]] == [100.0, 95.0, 90.0]
    assert [row["paper"] for row in _table(SEEN, database="synthetic")["rows"]] == [None] * 3


def test_standings_test_all_pairs_over_the_same_folds():
    found = _table(SEEN)
    assert found["test_to_train"] == 0.25
    of_pair = {(pair["a"], pair["b"]): pair for pair in found["pairs"]}
    assert of_pair["hadamard", "attention"]["p_holm"] == 1
    pair = of_pair["hadamard", "film_hadamard"]
    t, p = significance.corrected_t(SEEN["hadamard"], SEEN["film_hadamard"], 0.25)
    assert (pair["t"], pair["p"]) == (t, p) and pair["difference"] == pytest.approx(1 / 3)
    assert pair["p_holm"] == pytest.approx(3 * p)  # ties with attention's pair: both thrice
    assert [row["rank"] for row in found["rows"]] == [1.5, 3, 1.5]


@pytest.mark.parametrize("fusions", [SEEN, {"hadamard": [0.5, 1.0]}, {"hadamard": [0.5], "film_hadamard": [0.5]}])
@pytest.mark.parametrize("auc", [0.75, None])
def test_every_file_is_written_whatever_is_undefined(fusions, auc, tmp_path):
    standings.write(tmp_path, _table(fusions, auc=auc))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(standings.FILES)
    assert (tmp_path / "benchmark.png").read_bytes().startswith(b"\x89PNG")
    for name in standings.FILES[:4]:
        text = (tmp_path / name).read_text()
        assert "nan" not in text.lower() and "None" not in text
    assert json.loads((tmp_path / "benchmark.json").read_text())["rows"][0]["fusion"] == "hadamard"


def test_latex_is_balanced_and_escaped():
    text = exports.latex(_table(SEEN))
    body = [line for line in text.splitlines() if not line.startswith("%")]
    columns = len(re.search(r"\\begin\{tabular\}\{(l+r+)\}", text)[1])
    rows = [line for line in body if line.endswith(r"\\")]
    assert len(rows) == 1 + 3 + 3
    assert all(line.count("&") == columns - 1 for line in rows)
    assert r"film\_hadamard & 12 & 95.0 &" in text and r"attention$^\dagger$ &" in text
    assert not re.search(r"(?<!\\)[_%#]", "\n".join(body))
    for rule in ("top", "bottom"):
        assert text.count(rf"\{rule}rule") == 1
    assert body[-1] == r"\end{tabular}" and text.isascii() is False  # the legend's marks, in comments alone
    assert "\n".join(body).isascii()
    assert exports.escape(r"50% \ {a}~b^c_#&$") == (
        r"50\% \textbackslash{} \{a\}\textasciitilde{}b\textasciicircum{}c\_\#\&\$"
    )


def test_markdown_says_what_is_what():
    found = _table({**SEEN, "none": [0.5, 0.5, 0.5]})
    text = sheets.markdown(found)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines[:9]}) == 1
    row = next(line for line in lines if line.startswith("| hadamard |"))
    assert row.split(" | ")[1:5] == ["12", "100.0", "90.0", "90.0 [25.0, 100.0]"]
    assert "| attention† |" in text and "cannot see the encoder" in text and "95.0‡" in text
    assert "protocol of the paper's Table 4" in text and "length only" in text and "Still to be run" not in text
    assert "Table 4 holds" not in text
    assert "prints nothing" in sheets.markdown(_table(SEEN, database="synthetic"))


# The script


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
    assert {path.name for path in directory.glob("benchmark*")} == set(standings.FILES)
    assert _fusions(directory) == ["hadamard", "attention", "length_only"]
    found = json.loads((directory / "benchmark.json").read_text())
    first = json.loads((directory / "hadamard/results.json").read_text())
    assert found["rows"][0]["validated"] == first["protocols"]["validated"]["summary"]
    assert first["config"]["model"]["fusion"] == "hadamard" and first["runs"] == 2 and found["missing"] == []


def test_what_is_done_is_not_run_again_and_fusions_can_be_added(benchmark):
    directory, _ = benchmark
    before = _stamps(directory)
    again = launch("benchmark", *SMALL, "--workdir", directory, "--config.fusions=('attention', 'hadamard')")
    assert again.returncode == 0 and "[1/" not in again.stdout, again.stderr[-3000:]
    assert _stamps(directory) == before and _fusions(directory) == ["attention", "hadamard", "length_only"]

    more = launch("benchmark", *SMALL, "--workdir", directory, "--config.fusions=attention,cross_attention,hadamard")
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


def test_a_table_that_is_not_finished_says_what_is_missing():
    found = standings.standings({"film": _results([0.5, 1.0])}, {"film": FACTS, "none": FACTS})
    assert found["missing"] == ["none"] and "Still to be run: none." in sheets.markdown(found)


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
        (["--config=configs/film.py"], ["launch/cv.py"]),
        (["film"], ["'film' is not a flag", "--config.fusions"]),
    ],
)
def test_bad_input_is_one_clear_line(arguments, words, tmp_path):
    start = [] if arguments[0].startswith("--config=") else SMALL
    refused(launch("benchmark", *start, "--workdir", tmp_path / "run", *arguments), *words)
    assert not (tmp_path / "run").exists()


def test_its_config_alone_is_no_recipe_of_a_run():
    with pytest.raises(UserError, match=r"launch/benchmark\.py"):
        recipe.check(benchmark_config())


@pytest.mark.parametrize(
    ("database", "fields", "words"),
    [
        ("", {"fusions": ()}, "config.fusions is empty; known: concatenation"),
        ("", {"train.epochs": 0}, "config.train.epochs is 0"),
        ("", {"model.blocks": ((18, 2),), "fusions": ("none", "multihead_attention")}, "multihead_attention.* 18 "),
        ("bbc", {"fusions": ("none",)}, "BBC.*--config.data.dir"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_claimed(database, fields, words, tmp_path):
    config = benchmark_config(database)
    config.update_from_flattened_dict(fields)
    with pytest.raises(UserError, match=words):
        compare.compare(config, tmp_path / "run")
    assert not (tmp_path / "run/config.json").exists()

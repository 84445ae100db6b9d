"""The standings of several fusions: the paper's values, tests over the same folds, what is missing."""

import numpy as np
import pytest
from benchmarks import ACCURACIES, ENVIRONMENT, FACTS, made_up_results, made_up_standings

from dfuse_jax.evaluate import significance
from dfuse_jax.report.comparison import compute_standings


def test_standings_have_the_papers_value_only_on_its_database():
    assert [row["paper"] for row in made_up_standings()["rows"]] == [100.0, 95.0, 90.0]
    assert [row["paper"] for row in made_up_standings(database="synthetic")["rows"]] == [None] * 3


def test_standings_test_all_pairs_over_the_same_folds():
    standings = made_up_standings()
    assert standings["test_to_train"] == 0.25
    pairs = {(pair["a"], pair["b"]): pair for pair in standings["pairs"]}
    assert pairs["hadamard", "attention"]["p_holm"] == 1
    pair = pairs["hadamard", "film_hadamard"]
    accuracies = (np.array(ACCURACIES[fusion]) for fusion in ("hadamard", "film_hadamard"))
    t, p = significance.corrected_t_test(*accuracies, 0.25)
    assert (pair["t"], pair["p"]) == (t, p) and pair["difference"] == pytest.approx(1 / 3)
    assert pair["p_holm"] == pytest.approx(3 * p)  # ties with attention's pair: both thrice
    assert [row["rank"] for row in standings["rows"]] == [1.5, 3, 1.5]


def test_standings_that_are_not_finished_say_what_is_missing():
    standings = compute_standings({"film": made_up_results([0.5, 1.0])}, {"film": FACTS, "none": FACTS})
    assert standings["missing"] == ["none"]


def test_standings_name_every_environment_once():
    gpu = {**ENVIRONMENT, "platform": "gpu", "device_kind": "H100"}
    results = {
        "film": made_up_results([0.5, 1.0]),
        "none": made_up_results([0.5, 1.0], environment=gpu),
        "hadamard": made_up_results([0.5, 1.0]),
    }
    assert compute_standings(results, dict.fromkeys(results, FACTS))["environments"] == [ENVIRONMENT, gpu]

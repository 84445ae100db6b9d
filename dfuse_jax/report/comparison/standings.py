"""A benchmark in numbers: what every variant scored beside the paper's value, tests between them, controls."""

import itertools
import json
import os
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from dfuse_jax.evaluate import metrics, paper, significance
from dfuse_jax.evaluate import results as tables
from dfuse_jax.report.comparison import diagram, exports
from dfuse_jax.report.comparison import words as sheets
from dfuse_jax.report.run import words
from dfuse_jax.runtime.files import atomic

FILES = ("benchmark.csv", "benchmark_pairs.csv", "benchmark.md", "benchmark.tex", "benchmark.png", "benchmark.json")


def standings(results: Mapping[str, Mapping], facts: Mapping[str, Mapping]) -> dict:
    """Everything that a benchmark says, JSON-able: None stands for an undefined number.

    Args:
        results: fusion -> what its results.json holds; all of the same folds and runs.
        facts: fusion -> `equations`, `sees_encoder` and `parameters`; also of fusions that are still to be run.

    Returns:
        `rows` (one a fusion, in the order of `results`), `controls`, `pairs` (by p), `ranking`, and what they are of.
    """
    first = next(iter(results.values()))
    headline = words.headliner(first)
    folds = {name: found["protocols"][headline]["folds"] for name, found in results.items()}
    accuracies = {name: tables.grid(rows, "accuracy") for name, rows in folds.items()}
    ranking = significance.ranking([metrics.of_folds(grid) for grid in accuracies.values()])
    database = first["config"]["data"]["source"]
    rows = [
        _row(name, found, {**facts[name], "paper": paper.accuracy(name, database), "rank": rank})
        for (name, found), rank in zip(results.items(), ranking.ranks, strict=True)
    ]
    ratio = _ratio(folds[rows[0]["fusion"]])
    return tables.plain(
        {
            "note": first["note"],
            "database": database,
            "data": first["data"],
            **{key: first[key] for key in ("versions", "epochs", "runs", "folds")},
            "headline": headline,
            "missing": [name for name in facts if name not in results],
            "rows": rows,
            "controls": _controls(first),
            "test_to_train": ratio,
            "pairs": _pairs(accuracies, ratio),
            "ranking": {**ranking._asdict(), "alpha": significance.ALPHA},
        }
    )


def _row(name: str, results: Mapping, facts: Mapping) -> dict:
    protocols = {p: results["protocols"][p]["summary"] for p in ("validated", "final", "peeked")}
    speed = {key: results["speed"][key] for key in ("ms_per_fold_step", "clips_per_second")}
    return {"fusion": name, **facts, **protocols, **speed}


def _controls(results: Mapping) -> dict:
    """What needs no model: the same for all variants."""
    protocols = results["protocols"]
    return {
        "length_only": protocols["length_only"]["summary"],
        "majority": results["majority"]["summary"],
        "coin_flip_peeked": protocols["peeked"]["coin_flip"],
    }


def _ratio(folds: Sequence[Mapping]) -> float:
    """n_test / n_train of a fold, on average; the share that chooses the epoch is learnt from too."""
    return float(np.mean([row["n_test"] / (row["n_train"] + row["n_val"]) for row in folds]))


def _pairs(accuracies: Mapping[str, np.ndarray], ratio: float) -> list[dict]:
    """Every pair of variants, the most different first."""
    pairs = []
    for a, b in itertools.combinations(accuracies, 2):
        t, p = significance.corrected_t(accuracies[a], accuracies[b], ratio)
        pairs.append({"a": a, "b": b, "difference": np.nanmean(accuracies[a] - accuracies[b]), "t": t, "p": p})
    for pair, adjusted in zip(pairs, significance.holm([pair["p"] for pair in pairs]), strict=True):
        pair["p_holm"] = adjusted
    return sorted(pairs, key=lambda pair: (np.isnan(pair["p"]), pair["p"]))


def write(directory: str | os.PathLike, found: Mapping) -> None:
    """Writes FILES; each is whole or not there."""
    directory = pathlib.Path(directory)
    diagram.critical_difference(directory / "benchmark.png", [row["fusion"] for row in found["rows"]], found["ranking"])
    contents = {
        "benchmark.csv": exports.rows_csv(found),
        "benchmark_pairs.csv": exports.pairs_csv(found),
        "benchmark.md": sheets.markdown(found),
        "benchmark.tex": exports.latex(found),
        "benchmark.json": json.dumps(found, indent=1, allow_nan=False) + "\n",
    }
    for name, content in contents.items():
        with atomic(directory / name, "wb") as file:  # UTF-8 whatever the locale
            file.write(content.encode())

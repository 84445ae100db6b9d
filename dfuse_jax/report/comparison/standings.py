"""The standings of a benchmark: every variant's scores and the paper's value, tests between variants, and controls."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from dfuse_jax.evaluate import metrics, paper, significance
from dfuse_jax.evaluate.outcome import MODEL_PROTOCOLS
from dfuse_jax.evaluate.results import as_json, by_run_and_fold

FORMAT = 1  # of benchmark.json


def compute_standings(
    results: Mapping[str, Mapping], facts: Mapping[str, Mapping], *, kind: str = "fusion"
) -> dict[str, Any]:
    """Returns everything that benchmark.json holds, in JSON's own types; None stands for an undefined number.

    Args:
        results: variant -> the content of its results.json; all of the same folds and runs.
        facts: variant -> `parameters` and, of a fusion, `equations` and `sees_encoder`, of a system, `title`, `input`
            and `provenance`; also of the variants that are still to be run.
        kind: what the variants are, "fusion" or "system".

    Returns:
        `format` and `kind`; `options`, `note`, `database`, `data`, `versions`, `runs` and `folds`, which the variants
        share; `epochs` (the most of any); `environments` (the different ones in which they ran); `headline`; `missing`
        (variants without results); `rows` (one for each variant, in the order of `results`; its name is under `kind`);
        `controls`; `test_to_train` (n_test / n_train); `pairs` (sorted by p); `ranking`.
    """
    first = max(results.values(), key=lambda content: content["epochs"])  # whose `peeked` flatters most
    headline, database = first["headline"], first["config"]["data"]["source"]
    accuracies = {
        name: by_run_and_fold(content["protocols"][headline]["folds"], "accuracy") for name, content in results.items()
    }
    ranking = significance.rank(np.array([metrics.fold_means(values) for values in accuracies.values()]))
    rows = [
        _row(content, {kind: name, **facts[name], "paper": paper.accuracy(name, database), "rank": rank})
        for (name, content), rank in zip(results.items(), ranking.ranks, strict=True)
    ]
    test_to_train = _test_to_train(first["protocols"][headline]["folds"])
    return as_json(
        {
            "format": FORMAT,
            "kind": kind,
            "options": first["config"].get("options", {}),
            "note": first["note"],
            "database": database,
            "data": first["data"],
            "versions": first["versions"],
            "environments": _distinct([content["environment"] for content in results.values()]),
            "epochs": first["epochs"],
            "runs": first["runs"],
            "folds": first["folds"],
            "headline": headline,
            "missing": [name for name in facts if name not in results],
            "rows": rows,
            "controls": _controls(first),
            "test_to_train": test_to_train,
            "pairs": _pairs(accuracies, test_to_train),
            "ranking": {**ranking._asdict(), "alpha": significance.ALPHA},
        }
    )


def _row(results: Mapping, facts: Mapping) -> dict[str, Any]:
    summaries = {protocol: results["protocols"][protocol]["summary"] for protocol in MODEL_PROTOCOLS}
    speed = {key: results["speed"][key] for key in ("ms_per_fold_step", "clips_per_second")}
    return {**facts, "epochs": results["epochs"], **summaries, **speed}


def _distinct(environments: Sequence[Mapping]) -> list[Mapping]:
    distinct = []
    for environment in environments:
        if environment not in distinct:
            distinct.append(environment)
    return distinct


def _controls(results: Mapping) -> dict[str, Any]:
    """Returns the scores of what needs no model, which are the same for all variants."""
    protocols = results["protocols"]
    return {
        "length_only": protocols["length_only"]["summary"],
        "majority": results["majority"]["summary"],
        "coin_flip_peeked": protocols["peeked"]["coin_flip"],
    }


def _test_to_train(folds: Sequence[Mapping]) -> float:
    """Returns n_test / n_train of a fold, on average; the model depends on its validation videos too, so they count."""
    return float(np.mean([row["n_test"] / (row["n_train"] + row["n_val"]) for row in folds]))


def _pairs(accuracies: Mapping[str, Float[np.ndarray, "runs folds"]], test_to_train: float) -> list[dict[str, Any]]:
    """Tests every pair of variants; the pair that differs most clearly comes first."""
    pairs = []
    for a, b in itertools.combinations(accuracies, 2):
        t, p = significance.corrected_t_test(accuracies[a], accuracies[b], test_to_train)
        pairs.append({"a": a, "b": b, "difference": np.nanmean(accuracies[a] - accuracies[b]), "t": t, "p": p})
    adjusted = significance.holm(np.array([pair["p"] for pair in pairs]))
    for pair, p_holm in zip(pairs, adjusted, strict=True):
        pair["p_holm"] = p_holm
    return sorted(pairs, key=lambda pair: (np.isnan(pair["p"]), pair["p"]))

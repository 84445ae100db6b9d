"""Made-up results of several fusions, and their standings."""

import numpy as np

from dfuse_jax.report.comparison import compute_standings

FACTS = {"equations": "12", "sees_encoder": True, "parameters": 1234}
ACCURACIES = {"hadamard": [0.9, 0.8, 1.0], "film_hadamard": [0.5, 0.6, 0.6], "attention": [0.9, 0.8, 1.0]}
ENVIRONMENT = {
    "platform": "cpu",
    "device_kind": "cpu",
    "devices": 1,
    "processes": 1,
    "model_dtype": "float32",
    "jax_enable_x64": False,
}


def made_up_results(accuracies, database="bbc", auc=0.75, **changes):
    """Returns what results.json holds of one run with these accuracies of its folds."""
    numbers = {"run": 1, "n_train": 7, "n_val": 1, "n_test": 2, "balanced_accuracy": 0.5, "auc": auc}
    folds = [{**numbers, "fold": fold, "accuracy": accuracy} for fold, accuracy in enumerate(accuracies, 1)]
    mean = {"mean": float(np.mean(accuracies)), "low": 0.25, "high": 1.0}
    other = {"mean": auc, "low": None, "high": None}
    protocol = {"folds": folds, "summary": {"accuracy": mean, "balanced_accuracy": other, "auc": other}}
    results = {
        "note": "A test.",
        "config": {"data": {"source": database}},
        "data": {"videos": 20, "subjects": 10},
        "versions": {},
        "environment": ENVIRONMENT,
        **{"epochs": 3, "runs": 1, "folds": len(accuracies)},
        "headline": "validated",
        "protocols": dict.fromkeys(("validated", "final", "length_only"), protocol)
        | {"peeked": {**protocol, "coin_flip": 0.9}},
        "majority": {"summary": {"accuracy": mean}},
        "speed": {"ms_per_fold_step": 1.5, "clips_per_second": None},
    }
    return results | changes


def made_up_standings(accuracies=ACCURACIES, **settings):
    """Returns the standings of fusions with these accuracies of their folds; `settings` as of `made_up_results`."""
    return compute_standings(
        {fusion: made_up_results(values, **settings) for fusion, values in accuracies.items()},
        dict.fromkeys(accuracies, FACTS) | {"attention": {**FACTS, "sees_encoder": False}},
    )

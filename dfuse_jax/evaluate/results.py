"""The numbers of a run: one nested dictionary (results.json) and one row a prediction (predictions.csv)."""

import csv
import importlib.metadata
import io
import math
import platform
import sys
from collections.abc import Mapping, Sequence

import numpy as np

import dfuse_jax
from dfuse_jax.evaluate import metrics
from dfuse_jax.evaluate.outcome import Outcome, Verdict, verdicts

LEVEL = 0.95
CLASSES = ("posed", "spontaneous")
COLUMNS = ("protocol", "run", "fold", "subject", "video", "frames", "label", "probability")


def results(outcome: Outcome) -> dict:
    """Everything that a run says, JSON-able: None stands for an undefined number, epochs count from 1."""
    labels = np.asarray(outcome.labels)
    found = verdicts(outcome)
    protocols = {protocol: _protocol(labels, of_protocol) for protocol, of_protocol in found.items()}
    epochs = len(outcome.losses)
    coins = [metrics.coin_flip(len(verdict.replica.test), epochs) for verdict in found["peeked"]]
    protocols["peeked"]["coin_flip"] = float(np.mean(coins)) if coins else None
    folds = [_majority(labels, verdict) for verdict in found["length_only"]]
    return plain(
        {
            "name": outcome.name,
            "note": outcome.note,
            "versions": _versions(),
            "config": outcome.config,
            "data": _data(outcome, found["length_only"]),
            "epochs": epochs,
            "runs": len({replica.run for replica in outcome.replicas}),
            "folds": len({replica.fold for replica in outcome.replicas}),
            "protocols": protocols,
            "majority": {"folds": folds, "summary": {"accuracy": summary(folds, "accuracy")}},
            "seconds": outcome.seconds,
            "speed": _speed(outcome),
        }
    )


def _protocol(labels: np.ndarray, found: Sequence[Verdict]) -> dict:
    folds = [_row(labels, verdict) for verdict in found]
    return {"folds": folds, "summary": {metric: summary(folds, metric) for metric in metrics.METRICS}}


def _row(labels: np.ndarray, verdict: Verdict) -> dict:
    replica = verdict.replica
    return {
        "run": replica.run,
        "fold": replica.fold,
        "n_train": len(replica.train),
        "n_val": len(replica.val),
        "n_test": len(replica.test),
        "epoch": None if verdict.epoch is None else verdict.epoch + 1,
        **metrics.scores(labels[replica.test], verdict.probabilities),
    }


def _majority(labels: np.ndarray, verdict: Verdict) -> dict:
    """Accuracy of always saying what most training videos of the fold are; spontaneous on a tie."""
    replica = verdict.replica
    says = labels[replica.train].mean() >= 0.5
    return {"run": replica.run, "fold": replica.fold, "accuracy": float((labels[replica.test] == says).mean())}


def grid(folds: Sequence[Mapping], key: str) -> np.ndarray:
    """[runs, folds] of one value of the rows, in sorted order; nan where there is no row or it is undefined."""
    runs, names = sorted({row["run"] for row in folds}), sorted({row["fold"] for row in folds})
    values = np.full((len(runs), len(names)), np.nan)
    for row in folds:
        values[runs.index(row["run"]), names.index(row["fold"])] = math.nan if row[key] is None else row[key]
    return values


def summary(folds: Sequence[Mapping], metric: str) -> dict:
    """Mean and interval over the folds; `defined` counts the folds that have a value in some run."""
    if not folds:
        return {"mean": None, "low": None, "high": None, "defined": "0 of 0"}
    values = grid(folds, metric)
    mean, low, high = metrics.interval(values, LEVEL)
    defined = int((~np.isnan(values)).any(axis=0).sum())
    return {"mean": mean, "low": low, "high": high, "defined": f"{defined} of {values.shape[1]}"}


def _data(outcome: Outcome, folds: Sequence[Verdict]) -> dict:
    labels, frames = np.asarray(outcome.labels), np.asarray(outcome.frames)
    subjects = np.asarray(outcome.subjects)
    members = [fold.replica for fold in folds]
    shared = {m.fold for m in members if len(np.intersect1d(subjects[m.train], subjects[m.test]))}
    of_class = {name: frames[labels == label] for label, name in enumerate(CLASSES)}
    return {
        "videos": len(labels),
        "subjects": len(set(outcome.subjects)) if outcome.subjects_known else None,
        "folds_that_share_subjects": len(shared) if outcome.subjects_known else None,
        "classes": {name: len(counts) for name, counts in of_class.items()},
        "median_frames": {name: float(np.median(counts)) if len(counts) else None for name, counts in of_class.items()},
    }


def _speed(outcome: Outcome) -> dict:
    """Of whole epochs, the evaluation after each included; without the first, which is compiled."""
    if outcome.epoch_seconds is None:
        return {"epoch_seconds": None, "ms_per_fold_step": None, "clips_per_second": None}
    return {
        "epoch_seconds": outcome.epoch_seconds,
        "ms_per_fold_step": 1000 * outcome.epoch_seconds / outcome.fold_steps,
        "clips_per_second": outcome.clips / outcome.epoch_seconds,
    }


def _versions() -> dict[str, str]:
    found = {"dfuse_jax": dfuse_jax.__version__, "python": platform.python_version()}
    for package in ("jax", "numpy", "scikit-learn"):
        # This module needs no jax: its version is of interest only where it had a part in the run.
        if package != "jax" or "jax" in sys.modules:
            found[package] = importlib.metadata.version(package)
    return found


def plain(value):
    """The same in JSON's own types: numpy's numbers and arrays unpacked, None for what is not finite."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def predictions(outcome: Outcome) -> str:
    """predictions.csv: one row for each protocol, run and test video, in COLUMNS, in a fixed order.

    The probability has every digit, so that two runs are the same exactly when their files are.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for protocol, found in verdicts(outcome).items():
        for verdict in found:
            replica = verdict.replica
            rows = zip(replica.test, verdict.probabilities, strict=True)
            for v, probability in sorted(rows, key=lambda row: outcome.names[row[0]]):
                of_video = (outcome.subjects[v], outcome.names[v], int(outcome.frames[v]), int(outcome.labels[v]))
                writer.writerow((protocol, replica.run, replica.fold, *of_video, repr(float(probability))))
    return text.getvalue()

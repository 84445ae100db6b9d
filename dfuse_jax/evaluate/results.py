"""The numbers of a run: the dictionary of results.json and the rows of predictions.csv. Runs and folds count from 1."""

import csv
import dataclasses
import importlib.metadata
import io
import json
import math
import os
import pathlib
import platform
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Int

from dfuse_jax.constants import VERSION
from dfuse_jax.evaluate import calibration, metrics, resampling, roc, subgroups
from dfuse_jax.evaluate.outcome import FoldPredictions, Outcome, predictions_by_protocol
from dfuse_jax.evaluate.retraining import retraining
from dfuse_jax.runtime import formats
from dfuse_jax.runtime.errors import UserError

if TYPE_CHECKING:
    from dfuse_jax.train import Replica

FORMAT = 1  # of results.json; counts up when a reader of the former format would misread it
CLASSES = ("posed", "spontaneous")
PREDICTION_COLUMNS = ("protocol", "run", "fold", "subject", "video", "frames", "label", "probability")
PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "scikit-learn")


def compute_results(outcome: Outcome) -> dict[str, Any]:
    """Returns everything that results.json holds.

    It consists of JSON's own types; None stands for an undefined number. Runs, folds and epochs count from 1.

    Returns:
        `format`, `name`, `note`, `versions`, `environment`, `config`, `data`; `epochs`, `runs` and `folds` (numbers);
        `headline` (the protocol that counts); `protocols`, each with its `folds` (a row for each run and fold),
        `summary` (of each metric: mean, low, high, defined) and `pooled` (of each metric: value, low, high, by
        resampling subjects); `majority` likewise; `permutation` (its `retrained` is None without retraining),
        `calibration`, `roc`, `confusion` and `subgroups` of the headline; `losses` (training, of the first and the
        last epoch, averaged over all models); `seconds` and `speed`. `schema.read("results")` describes every field.
    """
    predictions = predictions_by_protocol(outcome)
    protocols = {protocol: _protocol(outcome, folds) for protocol, folds in predictions.items()}
    coins = [metrics.coin_flip(len(fold.replica.test), outcome.epochs) for fold in predictions["peeked"]]
    protocols["peeked"]["coin_flip"] = float(np.mean(coins)) if coins else None
    full_folds = [fold.replica for fold in predictions["length_only"]]
    majority = [_majority(outcome.labels, replica) for replica in full_folds]
    # Without validation shares no epoch can be chosen fairly, so the last one counts.
    headline = "validated" if predictions["validated"] else "final"
    pooled = resampling.pool(outcome, predictions[headline])
    curve = roc.average(pooled)
    return as_json(
        {
            "format": FORMAT,
            "name": outcome.name,
            "note": outcome.note,
            "versions": versions(),
            "environment": dataclasses.asdict(outcome.environment),
            "config": outcome.config,
            "data": _data(outcome, full_folds),
            "epochs": outcome.epochs,
            "runs": len({replica.run for replica in outcome.replicas}),
            "folds": len({replica.fold for replica in outcome.replicas}),
            "headline": headline,
            "protocols": protocols,
            "majority": {"folds": majority, "summary": {"accuracy": _summary(majority, "accuracy")}},
            "permutation": _permutation(outcome, predictions[headline]),
            "calibration": _calibration(outcome.labels, predictions[headline]),
            "roc": None if curve is None else curve._asdict(),
            "confusion": roc.confusion(pooled, CLASSES),
            "subgroups": subgroups.compute(
                pooled, outcome.groups, resampling.tested_videos(predictions[headline]).tolist()
            ),
            "losses": _losses(outcome),
            "seconds": outcome.seconds,
            "speed": speed(outcome),
        }
    )


def read_results(path: str | os.PathLike) -> dict[str, Any]:
    """Reads a results.json.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: it is not JSON.
        UserError: it is of another format than FORMAT, or not of a cross-validation.
    """
    results = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    if not isinstance(results, dict):
        raise ValueError("it holds no object")
    if "kind" in results:
        raise UserError(f"{path} is of a {results['kind']}, not of a cross-validation.", remedy="finished_run")
    formats.require(
        path,
        results.get("format"),
        FORMAT,
        changed="since 0.2 a run's numbers are stored otherwise",
        advice="Train again into a new folder.",
        remedy="new_run",
    )
    return results


def _protocol(outcome: Outcome, folds: Sequence[FoldPredictions]) -> dict[str, Any]:
    rows = [_row(outcome.labels, fold) for fold in folds]
    summary = {metric: _summary(rows, metric) for metric in metrics.METRICS}
    undefined = resampling.Interval(math.nan, math.nan, math.nan)
    pooled = (
        resampling.bootstrap(resampling.pool(outcome, folds)) if folds else dict.fromkeys(metrics.METRICS, undefined)
    )
    return {
        "folds": rows,
        "summary": summary,
        "pooled": {metric: interval._asdict() for metric, interval in pooled.items()},
    }


def _permutation(outcome: Outcome, folds: Sequence[FoldPredictions]) -> dict[str, Any]:
    """Returns how often labels without meaning reach the scores, with the same predictions and after retraining."""
    retrained = retraining(outcome)
    numbers = resampling.permute(resampling.pool(outcome, folds))._asdict()
    return {**numbers, "retrained": None if retrained is None else retrained._asdict()}


def _calibration(labels: Int[np.ndarray, " videos"], folds: Sequence[FoldPredictions]) -> dict[str, Any]:
    """Returns how well the probabilities of all folds and runs are calibrated, as they are and cooled.

    Each fold is cooled by the temperature that its own validation videos choose; without any, there is none.
    """
    label = np.concatenate([labels[fold.replica.test] for fold in folds])
    raw = np.concatenate([fold.probabilities for fold in folds]).astype(float)
    numbers: dict[str, Any] = {
        **calibration.summary(label, raw),
        "abstention": calibration.abstention(label, raw),
        "temperature": None,
        "cooled": None,
    }
    if all(fold.replica.validated for fold in folds):
        temperatures = [calibration.temperature(labels[fold.replica.val], fold.validation) for fold in folds]
        cooled = [calibration.cooled(fold.probabilities, t) for fold, t in zip(folds, temperatures, strict=True)]
        quartiles = np.quantile(temperatures, (0, 0.5, 1))
        numbers["temperature"] = dict(zip(("low", "median", "high"), quartiles, strict=True))
        numbers["cooled"] = calibration.summary(label, np.concatenate(cooled))
    return numbers


def _row(labels: Int[np.ndarray, " videos"], fold: FoldPredictions) -> dict[str, Any]:
    replica = fold.replica
    return {
        **_position(replica),
        "n_train": len(replica.train),
        "n_val": len(replica.val),
        "n_test": len(replica.test),
        "epoch": None if fold.epoch is None else fold.epoch + 1,
        **metrics.scores(labels[replica.test], fold.probabilities),
    }


def _position(replica: "Replica") -> dict[str, int]:
    return {"run": replica.run + 1, "fold": replica.fold + 1}


def _majority(labels: Int[np.ndarray, " videos"], replica: "Replica") -> dict[str, Any]:
    """Returns the accuracy of always predicting the majority class of the training videos; spontaneous on a tie."""
    majority = labels[replica.train].mean() >= 0.5
    return {**_position(replica), "accuracy": float((labels[replica.test] == majority).mean())}


def by_run_and_fold(rows: Sequence[Mapping], key: str) -> Float[np.ndarray, "runs folds"]:
    """Returns one value of the rows by run and fold, in sorted order; nan where there is no row or no value."""
    runs = sorted({row["run"] for row in rows})
    folds = sorted({row["fold"] for row in rows})
    values = np.full((len(runs), len(folds)), np.nan)
    for row in rows:
        values[runs.index(row["run"]), folds.index(row["fold"])] = math.nan if row[key] is None else row[key]
    return values


def _summary(rows: Sequence[Mapping], metric: str) -> dict[str, Any]:
    """Returns mean and interval over the folds; `defined` counts the folds that have a value in some run."""
    if not rows:
        return {"mean": None, "low": None, "high": None, "defined": "0 of 0"}
    values = by_run_and_fold(rows, metric)
    mean, low, high = metrics.confidence_interval(values)
    defined = int((~np.isnan(values)).any(axis=0).sum())
    return {"mean": mean, "low": low, "high": high, "defined": f"{defined} of {values.shape[1]}"}


def _data(outcome: Outcome, full_folds: Sequence["Replica"]) -> dict[str, Any]:
    subjects = np.asarray(outcome.subjects)
    sharing = {
        replica.fold for replica in full_folds if len(np.intersect1d(subjects[replica.train], subjects[replica.test]))
    }
    frames = {name: outcome.frames[outcome.labels == label] for label, name in enumerate(CLASSES)}
    medians = {name: float(np.median(lengths)) if len(lengths) else None for name, lengths in frames.items()}
    return {
        "videos": len(outcome.labels),
        "subjects": len(set(outcome.subjects)) if outcome.subjects_known else None,
        "folds_that_share_subjects": len(sharing) if outcome.subjects_known else None,
        "classes": {name: len(lengths) for name, lengths in frames.items()},
        "median_frames": medians,
        "fps": [min(outcome.fps), max(outcome.fps)],
        "image_sizes": [min(outcome.image_sizes, key=math.prod), max(outcome.image_sizes, key=math.prod)],
    }


def _losses(outcome: Outcome) -> dict[str, float]:
    return {"first": float(np.mean(outcome.losses[0])), "last": float(np.mean(outcome.losses[-1]))}


def speed(outcome: Outcome) -> dict[str, float | None]:
    """Returns the speed of whole epochs with their evaluation, without the first epoch, which is compiled."""
    if outcome.epoch_seconds is None:
        return {"epoch_seconds": None, "ms_per_fold_step": None, "clips_per_second": None}
    return {
        "epoch_seconds": outcome.epoch_seconds,
        "ms_per_fold_step": 1000 * outcome.epoch_seconds / outcome.fold_steps,
        "clips_per_second": outcome.clips / outcome.epoch_seconds,
    }


def versions() -> dict[str, str]:
    """Returns the versions of this package, of Python and of PACKAGES."""
    versions = {"dfuse_jax": VERSION, "python": platform.python_version()}
    return versions | {package: importlib.metadata.version(package) for package in PACKAGES}


def as_json(value: Any) -> Any:
    """Returns the value in JSON's own types: NumPy's numbers and arrays converted, None for what is not finite."""
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return as_json(value.tolist())
    if isinstance(value, list | tuple):
        return [as_json(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def predictions_csv(outcome: Outcome) -> str:
    """Returns predictions.csv: a row for each protocol, run and test video, in a fixed order.

    The columns are PREDICTION_COLUMNS. A probability has every digit, so that two runs are the same exactly when their
    files are.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(PREDICTION_COLUMNS)
    for protocol, folds in predictions_by_protocol(outcome).items():
        for fold in folds:
            position = _position(fold.replica).values()
            predictions = zip(fold.replica.test.tolist(), fold.probabilities.tolist(), strict=True)
            for v, probability in sorted(predictions, key=lambda prediction: outcome.names[int(prediction[0])]):
                video = (outcome.subjects[v], outcome.names[v], int(outcome.frames[v]), int(outcome.labels[v]))
                writer.writerow((protocol, *position, *video, repr(probability)))
    return text.getvalue()

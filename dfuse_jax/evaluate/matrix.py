"""The numbers of a transfer between databases: a table by what a model was trained on and what it is tested on."""

import csv
import dataclasses
import io
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from dfuse_jax.evaluate import metrics, resampling, results
from dfuse_jax.evaluate.outcome import FoldPredictions, Outcome, full_training_folds, predictions_by_protocol
from dfuse_jax.evaluate.results import CLASSES, as_json

KIND = "transfer"  # in results.json, what tells it from that of a cross-validation
FORMAT = 1
PROTOCOLS = ("validated", "final")
CONTROLS = ("length_only", "rate_only", "majority")
COLUMNS = ("protocol", "trained_on", "tested_on", "run", "subject", "video", "fps", "frames", "label", "probability")


class Design(NamedTuple):
    """Which cell of the table each prediction belongs to; D databases, F folds, V videos.

    Attributes:
        rows: what models are trained on.
        columns: the databases, on which they are tested.
        column_of_video: [V].
        row_of_fold: [F], for each fold of the outcome's replicas.
        sources: [D], what each database is read as.
        subjects_known: [D], whether the subjects of all its videos are known.
        fps: [D], the lowest and the highest frame rate of each database before it was brought to another.
    """

    rows: list[str]
    columns: list[str]
    column_of_video: Int[np.ndarray, " videos"]
    row_of_fold: list[int]
    sources: list[str]
    subjects_known: list[bool]
    fps: list[tuple[float, float]]


class Cell(NamedTuple):
    """The predictions of one protocol in one cell.

    Attributes:
        row: number of the row.
        column: number of the column.
        folds: the predictions for the videos of the column's database.
    """

    row: int
    column: int
    folds: list[FoldPredictions]


def compute(outcome: Outcome, design: Design) -> dict[str, Any]:
    """Returns what results.json holds of a transfer, in JSON's own types; None stands for an undefined number.

    Returns:
        `format`, `kind`, `name`, `note`, `versions`, `environment`, `config`, `data` (a row for each database);
        `epochs`, `runs`; `rows` and `columns` of the tables; `tables`: of each of PROTOCOLS and CONTROLS a list of
        rows of cells, each None or, of each of METRICS, value, low and high by bootstrap over subjects, with `within`
        (whether it was trained and tested in one database) and `train` and `test`, the numbers of videos; `seconds`
        and `speed`.
    """
    return as_json(
        {
            "format": FORMAT,
            "kind": KIND,
            "name": outcome.name,
            "note": outcome.note,
            "versions": results.versions(),
            "environment": dataclasses.asdict(outcome.environment),
            "config": outcome.config,
            "data": [_describe(outcome, design, number) for number in range(len(design.columns))],
            "epochs": outcome.epochs,
            "runs": len({replica.run for replica in outcome.replicas}),
            "rows": design.rows,
            "columns": design.columns,
            "tables": {
                protocol: _table(outcome, design, cells)
                for protocol, cells in cells_by_protocol(outcome, design).items()
            },
            "seconds": outcome.seconds,
            "speed": results.speed(outcome),
        }
    )


def cells_by_protocol(outcome: Outcome, design: Design) -> dict[str, list[Cell]]:
    """Returns the cells of each of PROTOCOLS and CONTROLS that have predictions."""
    by_protocol = predictions_by_protocol(outcome)
    folds = {protocol: by_protocol[protocol] for protocol in (*PROTOCOLS, "length_only")}
    rates = np.asarray(outcome.fps)

    def by_rate(train: np.ndarray, test: np.ndarray) -> np.ndarray:
        return metrics.rate_only(rates, outcome.labels, train, test)

    def by_majority(train: np.ndarray, test: np.ndarray) -> np.ndarray:
        return np.full(len(test), float(outcome.labels[train].mean() >= 0.5))

    folds["rate_only"] = _control(outcome, by_rate)
    folds["majority"] = _control(outcome, by_majority)
    return {protocol: _cells(predictions, design) for protocol, predictions in folds.items()}


def _control(outcome: Outcome, predict: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> list[FoldPredictions]:
    """Returns what predictions from the numbers of training and test videos give for each run and fold."""
    return [
        FoldPredictions(replica, None, predict(replica.train, replica.test), validation=np.array([]))
        for replica in full_training_folds(outcome.replicas)
    ]


def _cells(folds: Sequence[FoldPredictions], design: Design) -> list[Cell]:
    """Returns the predictions of each cell that has some."""
    cells = []
    for row in range(len(design.rows)):
        of_row = [fold for fold in folds if design.row_of_fold[fold.replica.fold] == row]
        for column in range(len(design.columns)):
            parts = [_tested_on(fold, design.column_of_video == column) for fold in of_row]
            tested = [part for part in parts if len(part.replica.test)]
            if tested:
                cells.append(Cell(row, column, tested))
    return cells


def _tested_on(fold: FoldPredictions, wanted: np.ndarray) -> FoldPredictions:
    """Returns a fold's predictions for the wanted videos alone."""
    kept = wanted[fold.replica.test]
    replica = dataclasses.replace(fold.replica, test=fold.replica.test[kept])
    return dataclasses.replace(fold, replica=replica, probabilities=fold.probabilities[kept])


def _table(outcome: Outcome, design: Design, cells: Sequence[Cell]) -> list[list[dict[str, Any] | None]]:
    table: list[list[dict[str, Any] | None]] = [[None] * len(design.columns) for _ in design.rows]
    for cell in cells:
        pooled = resampling.pool(outcome, cell.folds)
        scores = {name: interval._asdict() for name, interval in resampling.bootstrap(pooled).items()}
        trained = [len(fold.replica.train) + len(fold.replica.val) for fold in cell.folds]
        table[cell.row][cell.column] = {
            **scores,
            "within": bool(design.column_of_video[cell.folds[0].replica.train[0]] == cell.column),
            "train": [min(trained), max(trained)],
            "test": len(pooled.labels),
        }
    return table


def mean(rows: Sequence[Sequence[Mapping | None]], metric: str, *, within: bool) -> float | None:
    """Returns the mean of a table's cells within databases, or of those between them; None if one is undefined."""
    values = [cell[metric]["value"] for row in rows for cell in row if cell is not None and cell["within"] == within]
    return None if not values or None in values else float(np.mean(values))


def _describe(outcome: Outcome, design: Design, number: int) -> dict[str, Any]:
    """Returns what a reader must know of a database."""
    videos = np.flatnonzero(design.column_of_video == number).tolist()
    labels = outcome.labels[videos]
    frames = outcome.frames[videos]
    seconds = frames / np.asarray(outcome.fps)[videos]
    sizes = [outcome.image_sizes[v] for v in videos]
    subjects = [outcome.subjects[v] for v in videos]
    of_class = {name: labels == label for label, name in enumerate(CLASSES)}
    return {
        "name": design.columns[number],
        "source": design.sources[number],
        "videos": len(videos),
        "subjects": len(set(subjects)) if design.subjects_known[number] else None,
        "classes": {name: int(chosen.sum()) for name, chosen in of_class.items()},
        "fps": design.fps[number],
        "fps_of_classes": {name: _ends(np.asarray(outcome.fps)[videos][chosen]) for name, chosen in of_class.items()},
        "median_frames": {name: float(np.median(frames[chosen])) for name, chosen in of_class.items()},
        "median_seconds": {name: float(np.median(seconds[chosen])) for name, chosen in of_class.items()},
        "image_sizes": [min(sizes, key=math.prod), max(sizes, key=math.prod)],
    }


def _ends(values: Float[np.ndarray, " n"]) -> list[float]:
    return [float(values.min()), float(values.max())]


def predictions_csv(outcome: Outcome, design: Design) -> str:
    """Returns predictions.csv: a row for each protocol, cell, run and video, in a fixed order."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for protocol, cells in cells_by_protocol(outcome, design).items():
        for cell in cells:
            place = (protocol, design.rows[cell.row], design.columns[cell.column])
            for fold in cell.folds:
                for v, probability in zip(fold.replica.test.tolist(), fold.probabilities.tolist(), strict=True):
                    video = (outcome.subjects[v], outcome.names[v], f"{outcome.fps[v]:g}", int(outcome.frames[v]))
                    writer.writerow((*place, fold.replica.run + 1, *video, int(outcome.labels[v]), repr(probability)))
    return text.getvalue()

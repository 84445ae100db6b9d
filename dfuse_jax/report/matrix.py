"""A transfer between databases in words, tables and a picture. All read the dictionary of results.json.

At the end of a run:

    matrix.write("results/crossdb", results, outcome, design)
    print(matrix.console(results))
"""

import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle

from dfuse_jax import plotting
from dfuse_jax.evaluate import matrix
from dfuse_jax.evaluate.matrix import CONTROLS, Design
from dfuse_jax.evaluate.metrics import METRICS
from dfuse_jax.evaluate.outcome import Outcome
from dfuse_jax.plotting import BLUE
from dfuse_jax.report import options
from dfuse_jax.report.files import write_json, write_text
from dfuse_jax.report.formatting import (
    CONFIDENCE,
    METRIC_NAMES,
    count,
    escape,
    hardware,
    interval,
    markdown_list,
    markdown_table,
    percent,
    value_range,
)
from dfuse_jax.report.page import write_page

HEADLINE = "validated"
REACHED = "†"  # marks a cell in which a control reaches the model's interval
DRAWN = (HEADLINE, "length_only", "rate_only")
DRAWN_METRICS = ("accuracy", "auc")
MOST_WITH_INTERVALS = 4  # columns; more leave no room for them in the picture
SHADES = LinearSegmentedColormap.from_list("shades", ("white", BLUE))
LOWEST, HIGHEST = 0.4, 1.0  # of the shades
DARK = 0.8  # from here on text is white


def write(directory: str | os.PathLike, results: Mapping, outcome: Outcome, design: Design) -> None:
    """Writes predictions.csv, the picture, report.md, report.html and, last, results.json: it marks a finished run.

    Args:
        directory: that exists.
        results: `matrix.compute` of the outcome, with `left_out`.
        outcome: of the run.
        design: of its tables.
    """
    directory = pathlib.Path(directory)
    (directory / "results.json").unlink(missing_ok=True)
    write_text(directory / "predictions.csv", matrix.predictions_csv(outcome, design))
    draw(directory / "matrix.png", results)
    text = markdown(results)
    write_text(directory / "report.md", text)
    write_page(directory / "report.html", text)
    write_json(directory / "results.json", results)


def draw(path: str | os.PathLike, results: Mapping) -> None:
    """Draws accuracy and AUC of the model and of two controls as heat maps, as a PNG."""
    rows, columns = results["rows"], results["columns"]
    figure = plotting.new_figure(1.2 + 2 * (0.6 + 0.5 * len(rows)))
    panels: Any = figure.subplots(len(DRAWN_METRICS), len(DRAWN), sharex=True, sharey=True, squeeze=False)
    for metric, of_metric in zip(DRAWN_METRICS, panels, strict=True):
        for name, axis in zip(DRAWN, of_metric, strict=True):
            _draw_table(axis, results["tables"][name], metric, columns)
            axis.set_title(f"{name}: {METRIC_NAMES[metric]}", fontsize=9)
            axis.set_yticks(range(len(rows)), rows, fontsize=8, parse_math=False)
            axis.set_xticks(range(len(columns)), columns, fontsize=8, rotation=20, parse_math=False)
    figure.supxlabel("tested on", fontsize=9)
    figure.supylabel("trained on", fontsize=9)
    plotting.save(path, figure, f"{results['name']}: percent; a frame marks training and test in one database")


def _draw_table(axis: Axes, rows: Sequence[Sequence[Mapping | None]], metric: str, columns: Sequence[str]) -> None:
    values = [[np.nan if cell is None else _number(cell[metric]["value"]) for cell in row] for row in rows]
    axis.imshow(values, cmap=SHADES, vmin=LOWEST, vmax=HIGHEST, aspect="auto")
    axis.tick_params(length=0)
    for y, row in enumerate(rows):
        for x, cell in enumerate(row):
            if cell is None:
                continue
            score = cell[metric]
            text = percent(score["value"])
            if score["low"] is not None and len(columns) <= MOST_WITH_INTERVALS:
                text += f"\n[{100 * score['low']:.0f}, {100 * score['high']:.0f}]"
            dark = _number(score["value"]) > DARK
            axis.text(x, y, text, ha="center", va="center", fontsize=7, color="white" if dark else "black")
            if cell["within"]:
                frame = Rectangle((x - 0.47, y - 0.47), 0.94, 0.94, fill=False, edgecolor="black", linewidth=1)
                axis.add_patch(frame)


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def table(results: Mapping, protocol: str, metric: str, *, marked: bool = False) -> list[list[str]]:
    """Returns the rows of one table in words, each with its name in front.

    Args:
        results: as in results.json.
        protocol: one of PROTOCOLS or CONTROLS.
        metric: one of METRICS.
        marked: whether to mark the cells in which a control reaches the interval.
    """
    rows = []
    for number, (name, row) in enumerate(zip(results["rows"], results["tables"][protocol], strict=True)):
        cells = []
        for column, cell in enumerate(row):
            if cell is None:
                cells.append("-")
                continue
            mark = f" {REACHED}" if marked and reached(results, protocol, metric, number, column) else ""
            cells.append(interval(cell[metric]) + mark)
        rows.append([name, *cells])
    return rows


def reached(results: Mapping, protocol: str, metric: str, row: int, column: int) -> list[str]:
    """Returns the controls whose score in a cell is within the model's interval or above it."""
    score = results["tables"][protocol][row][column][metric]
    bound = score["value"] if score["low"] is None else score["low"]
    if bound is None:
        return []
    scores = {name: results["tables"][name][row][column][metric]["value"] for name in CONTROLS}
    return [name for name, value in scores.items() if value is not None and value >= bound]


def markdown(results: Mapping) -> str:
    """Returns report.md. It holds nothing that changes when the same run is repeated."""
    head = ("trained on \\ tested on", *map(escape, results["columns"]))
    parts = [
        f"# {escape(results['name'])}",
        escape(results["note"]),
        f"**{_headline(results)}**",
        f"Percent [{CONFIDENCE} interval by bootstrap (BCa) over the subjects of the tested database]. Accuracy of "
        f"`{HEADLINE}`:",
        markdown_table(head, _escaped(table(results, HEADLINE, "accuracy", marked=True))),
        f"AUC of `{HEADLINE}`:",
        markdown_table(head, _escaped(table(results, HEADLINE, "auc", marked=True))),
        markdown_list(remarks(results)),
        "![Accuracy and AUC by training and test database, with two controls; the tables hold the numbers](matrix.png)",
        "## Controls",
    ]
    for control in CONTROLS:
        parts += [f"Accuracy of `{control}`:", markdown_table(head, _escaped(table(results, control, "accuracy")))]
    parts += [
        "## Other scores",
        f"Balanced accuracy of `{HEADLINE}`:",
        markdown_table(head, _escaped(table(results, HEADLINE, "balanced_accuracy"))),
        "Accuracy of `final`:",
        markdown_table(head, _escaped(table(results, "final", "accuracy"))),
        "## Databases",
        markdown_table(
            ("database", "videos", "subjects", "posed, spontaneous", "frames a second", "median seconds", "image"),
            _escaped([_database_row(database) for database in results["data"]]),
        ),
        markdown_list([*results["left_out"], *facts(results)]),
        "## Configuration",
        "```json\n" + json.dumps(results["config"], indent=2) + "\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _escaped(rows: Sequence[list[str]]) -> list[list[str]]:
    """Returns rows whose names, which stand in front, are escaped for Markdown."""
    return [[escape(row[0]), *row[1:]] for row in rows]


def _headline(results: Mapping) -> str:
    rows = results["tables"][HEADLINE]
    between, within = (
        f"accuracy {percent(matrix.mean(rows, 'accuracy', within=inside))}%, "
        f"AUC {percent(matrix.mean(rows, 'auc', within=inside))}%"
        for inside in (False, True)
    )
    return f"Between databases {between} on average; within a database {within}"


def remarks(results: Mapping) -> list[str]:
    """Returns what a reader must know to read the tables."""
    lines = [
        "A row says what a model was trained on, a column on what it was tested. Within a database it is a "
        "cross-validation; between databases all videos train and all videos of the other database test.",
        f"`{HEADLINE}`: trained without a validation share of the training videos, which has subjects of its own and "
        "chooses the epoch. No tested video has a part in it. `final`: trained on all training videos, to the last "
        "epoch.",
        "Controls, by logistic regression on the same training videos: `length_only` sees the number of frames alone, "
        "`rate_only` the frame rate alone. `majority` always predicts the larger class of the training videos.",
    ]
    marked = [cell for metric in DRAWN_METRICS for row in table(results, HEADLINE, metric, marked=True) for cell in row]
    if any(REACHED in cell for cell in marked):
        lines.append(
            f"{REACHED} A control reaches the model's interval or exceeds it: **this cell does not show that the model "
            "is better than that.**"
        )
    for column, database in enumerate(results["data"]):
        rates = database["fps_of_classes"]
        if rates["posed"] != rates["spontaneous"]:
            accuracies = [row[column]["accuracy"]["value"] for row in results["tables"]["rate_only"] if row[column]]
            lines.append(
                f"**{database['name']}: its classes have different frame rates (posed {_rates(rates['posed'])}, "
                f"spontaneous {_rates(rates['spontaneous'])} a second); the rate alone reaches "
                f"{percent(max(accuracies))}% accuracy there.**"
            )
    return lines


def facts(results: Mapping) -> list[str]:
    """Returns how it was computed."""
    config = results["config"]
    common = config["data"]["fps"]
    rates = "Each database has its own frame rate."
    if common:
        rates = f"All videos were brought to {common:g} frames a second; the table has the rates before that."
    lines = [
        f"{count(results['runs'], 'run')}, {count(results['epochs'], 'epoch')}. A probability of 0.5 or more means "
        "spontaneous.",
        rates,
        "The intervals say what other test subjects would change, not other training videos.",
    ]
    unknown = [database["name"] for database in results["data"] if database["subjects"] is None]
    if unknown:
        lines.append(
            f"**The subjects of {', '.join(unknown)} are unknown: videos are resampled there, and people may be in "
            "training and test.**"
        )
    markers = config.get("dmarkers")
    if markers:
        smoothing = f", smoothed by {markers['smoothing']}" if markers["smoothing"] else ""
        lines.append(f"D-Markers: definition `{markers['definition']}`{smoothing}.")
    return [*lines, *options.describe(config.get("options", {}))]


def _database_row(database: Mapping) -> list[str]:
    sizes = ["x".join(map(str, size)) for size in database["image_sizes"]]
    return [
        database["name"],
        str(database["videos"]),
        str(database["subjects"] or "unknown"),
        f"{database['classes']['posed']}, {database['classes']['spontaneous']}",
        _rates(database["fps"]),
        ", ".join(f"{database['median_seconds'][name]:.1f}" for name in ("posed", "spontaneous")),
        " to ".join(dict.fromkeys(sizes)),
    ]


def _rates(ends: Sequence[float]) -> str:
    return " to ".join(dict.fromkeys(f"{rate:g}" for rate in ends))


def console(results: Mapping) -> str:
    """Returns the tables of the model and of the controls for a terminal."""
    lines = []
    for protocol in DRAWN:
        for metric in METRICS if protocol == HEADLINE else ("accuracy",):
            rows = [
                [f"{protocol}, {METRIC_NAMES[metric]}", *results["columns"]],
                *table(results, protocol, metric, marked=protocol == HEADLINE),
            ]
            widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
            widths[0] = 30
            lines += ["".join(cell.ljust(width + 2) for cell, width in zip(row, widths, strict=True)) for row in rows]
            lines.append("")
    lines += [_headline(results) + ".", f"{REACHED} a control reaches the model's interval."]
    train = [cell["train"] for row in results["tables"][HEADLINE] for cell in row if cell]
    lines.append(f"Trained on {value_range([n for ends in train for n in ends])} videos.")
    lines.append(f"Took {results['seconds']:.1f} s on {hardware(results['environment'])}")
    return "\n".join(line.rstrip() for line in lines)

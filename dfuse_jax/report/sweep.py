"""A sweep in words, a table and pictures. All read the dictionary of results.json.

At the end of a sweep:

    results = sweep.write("results/sweep", trials)
    print(sweep.console(results))
"""

import csv
import io
import json
import math
import os
import pathlib
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes

from dfuse_jax import plotting
from dfuse_jax.evaluate import sweep
from dfuse_jax.evaluate.metrics import METRICS
from dfuse_jax.evaluate.sweep import Trials
from dfuse_jax.plotting import BLUE, GREY, ORANGE
from dfuse_jax.report.files import write_json, write_text
from dfuse_jax.report.formatting import (
    CONFIDENCE,
    METRIC_NAMES,
    count,
    escape,
    format_number,
    interval,
    markdown_list,
    markdown_table,
    percent,
    value_range,
)
from dfuse_jax.report.page import write_page

SHOWN = 10  # settings in the terminal and in the report; sweep.csv has all
SHADES = matplotlib.colormaps["viridis"]
PANELS = 3  # of main effects in a row
LABEL = 14  # characters of a level in a line
BEHIND_TEXT = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.8}


def write(directory: str | os.PathLike, trials: Trials) -> dict[str, Any]:
    """Writes sweep.csv, two pictures, report.md, report.html and, last, results.json, which marks a finished sweep.

    Args:
        directory: that exists.
        trials: of the sweep.

    Returns:
        The content of results.json, as `sweep.compute` describes it.
    """
    directory = pathlib.Path(directory)
    results = sweep.compute(trials)
    (directory / "results.json").unlink(missing_ok=True)
    write_text(directory / "sweep.csv", table_csv(results))
    draw_parallel(directory / "parallel.png", results)
    draw_effects(directory / "effects.png", results)
    text = markdown(results)
    write_text(directory / "report.md", text)
    write_page(directory / "report.html", text)
    write_json(directory / "results.json", results)
    return results


def swept(results: Mapping) -> list[str]:
    """Returns the names of what differs between settings: the axes but the seed."""
    return [name for name in results["axes"] if name != "seed"]


def table_csv(results: Mapping) -> str:
    """Returns sweep.csv: a row for each setting, best first; scores are fractions of 1."""
    names = swept(results)
    scores = [f"validation_{metric}{bound}" for metric in METRICS for bound in ("", "_low", "_high")]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("rank", "setting", "program", *names, *scores, "cross_entropy", "first_epoch", "last_epoch"))
    for rank, row in enumerate(results["settings"], 1):
        values = [row["values"][name] for name in names]
        numbers = [row["validation"][metric][key] for metric in METRICS for key in ("value", "low", "high")]
        writer.writerow((rank, row["number"], row["program"], *values, *numbers, row["cross_entropy"], *row["epochs"]))
    return text.getvalue()


def draw_parallel(path: str | os.PathLike, results: Mapping) -> None:
    """Draws each setting as a line across its values to its validation accuracy, the best one thick, as a PNG."""
    names = swept(results)
    figure = plotting.new_figure(4.5)
    axis: Any = figure.subplots()
    accuracies = np.array([row["validation"]["accuracy"]["value"] for row in results["settings"]], float)
    low, high = accuracies.min(), accuracies.max()
    if low == high:
        low, high = low - 0.01, high + 0.01
    columns = [_Column([row["values"][name] for row in results["settings"]], results["axes"][name]) for name in names]
    heights = [*(column.heights for column in columns), (accuracies - low) / (high - low)]
    places = np.arange(len(heights))
    for number in reversed(range(len(accuracies))):  # the best one last, on top
        line = [height[number] for height in heights]
        shade = SHADES((accuracies[number] - low) / (high - low))
        best = number == 0
        axis.plot(places, line, color=ORANGE if best else shade, linewidth=3 if best else 1, alpha=1 if best else 0.7)
    for place, column in zip(places, columns, strict=False):
        axis.axvline(place, color="black", linewidth=0.8)
        for height, label in column.ticks:
            axis.text(
                place - 0.02, height, label, fontsize=8, ha="right", va="center", parse_math=False, bbox=BEHIND_TEXT
            )
    axis.axvline(places[-1], color="black", linewidth=0.8)
    for share in np.linspace(0, 1, 5):
        axis.text(places[-1] + 0.02, share, percent(low + share * (high - low)), fontsize=8, va="center")
    axis.set(xticks=places, yticks=(), xlim=(-0.35, places[-1] + 0.25), ylim=(-0.06, 1.06))
    axis.set_xticklabels([*names, "validation\naccuracy, %"], fontsize=9)
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    number = count(len(accuracies), "setting")
    plotting.save(path, figure, f"{results['name']}: {number}; the one that is chosen is orange")


class _Column:
    """An axis of the plot: where each value lies between 0 and 1, and what is written beside it."""

    def __init__(self, values: Sequence[Any], scale: str):
        if scale:
            position = np.log([float(value) for value in values]) if scale == "log" else np.array(values, float)
            low, high = position.min(), position.max()
            width = high - low or 1
            self.heights = (position - low) / width if high > low else np.full(len(values), 0.5)
            marks = np.linspace(low, high, 5) if high > low else [low]
            self.ticks = [
                ((mark - low) / width if high > low else 0.5, f"{math.exp(mark) if scale == 'log' else mark:.2g}")
                for mark in marks
            ]
        else:
            distinct = sweep.ordered(values)
            place = {str(value): n / max(len(distinct) - 1, 1) for n, value in enumerate(distinct)}
            if len(distinct) == 1:
                place = {str(distinct[0]): 0.5}
            self.heights = np.array([place[str(value)] for value in values])
            self.ticks = [(height, name) for name, height in place.items()]


def draw_effects(path: str | os.PathLike, results: Mapping) -> None:
    """Draws the mean validation accuracy on each level of each axis with its interval, as a PNG."""
    effects = results["effects"]
    rows = -(-len(effects) // PANELS)
    figure = plotting.new_figure(0.6 + 2.4 * rows)
    panels: Any = figure.subplots(rows, PANELS, sharey=True, squeeze=False)
    for axis, (name, levels) in zip(panels.flat, effects.items(), strict=False):
        _draw_effect(axis, name, levels)
    for axis in panels.flat[len(effects) :]:
        axis.axis("off")
    for row in panels:
        row[0].set_ylabel("validation accuracy", fontsize=9)
    plotting.save(path, figure, f"{results['name']}: main effects, mean over settings with {CONFIDENCE} interval")


def _draw_effect(axis: Axes, name: str, levels: Sequence[Mapping]) -> None:
    places = np.arange(len(levels))
    means = np.array([level["mean"] for level in levels], float)
    low, high = (np.array([level[key] for level in levels], float) for key in ("low", "high"))
    errors = np.nan_to_num(np.stack([means - low, high - means]))
    axis.errorbar(places, means, yerr=errors, color=BLUE, marker="o", capsize=3, linewidth=1)
    overall = np.average(means, weights=[level["settings"] for level in levels])
    axis.axhline(overall, color=GREY, linewidth=0.8, linestyle="--")
    axis.set_title(name, fontsize=9, parse_math=False)
    axis.set_xlim(-0.4, len(levels) - 0.6)
    axis.set_xticks(places)
    labels = [level["level"].replace(" to ", "\nto ") for level in levels]
    labels = ["\n".join(textwrap.wrap(label, LABEL, replace_whitespace=False)) for label in labels]
    axis.set_xticklabels(labels, fontsize=7, parse_math=False)
    axis.tick_params(axis="y", labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)


def _rows(results: Mapping, shown: int) -> tuple[list[str], list[list[str]]]:
    """Returns head and rows of the table of the best settings."""
    names = swept(results)
    head = ["rank", *names, "accuracy", "AUC", "cross-entropy", "epoch"]
    rows = [
        [
            str(rank),
            *(_text(row["values"][name]) for name in names),
            interval(row["validation"]["accuracy"]),
            percent(row["validation"]["auc"]["value"]),
            format_number(row["cross_entropy"], ".3f"),
            value_range(row["epochs"]),
        ]
        for rank, row in enumerate(results["settings"][:shown], 1)
    ]
    return head, rows


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def markdown(results: Mapping) -> str:
    """Returns report.md. It holds nothing that changes when the same sweep is repeated."""
    best = results["settings"][0]
    chosen = ", ".join(f"{name} {_text(best['values'][name])}" for name in swept(results))
    head, rows = _rows(results, SHOWN)
    caption = f"The best {SHOWN} of {len(results['settings'])}; sweep.csv has all." if len(rows) == SHOWN else ""
    parts = [
        f"# {escape(results['name'])}",
        escape(results["note"]),
        f"**Chosen: {chosen}** (validation accuracy {interval(best['validation']['accuracy'])}%).",
        " ".join(
            [f"Validation videos, percent [{CONFIDENCE} interval by bootstrap (BCa) over their subjects].", caption]
        ),
        markdown_table(head, rows),
        markdown_list(remarks(results)),
        "![Settings as lines across their values to their validation accuracy](parallel.png)",
        "## Main effects",
        f"Validation accuracy in percent, mean over the settings on a level [{CONFIDENCE} interval, Student's t over "
        "these settings]. The other axes vary among them, so a wide interval may be another axis's doing.",
        markdown_table(("axis", "level", "settings", "accuracy"), _effect_rows(results)),
        "![Mean validation accuracy on each level of each axis](effects.png)",
        "## Configuration",
        "```json\n" + json.dumps(results["config"], indent=2) + "\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _effect_rows(results: Mapping) -> list[list[str]]:
    return [
        [name, level["level"], str(level["settings"]), interval({"value": level["mean"], **level})]
        for name, levels in results["effects"].items()
        for level in levels
    ]


def remarks(results: Mapping) -> list[str]:
    """Returns what a reader must know to read the table."""
    data = results["data"]
    seeds = results["seeds"]
    nested = results["nested"]
    scores = ", ".join(f"{METRIC_NAMES[metric]} {interval(nested['scores'][metric])}%" for metric in METRICS)
    lines = [
        f"Each setting is trained on {count(results['folds'], 'training fold')} with "
        f"{count(len(seeds), 'seed')} ({', '.join(map(str, seeds))}), for {count(results['epochs'], 'epoch')}. "
        f"{value_range(data['train'])} videos train, {value_range(data['validation'])} of other subjects choose epoch "
        "and setting: highest accuracy, then lowest cross-entropy.",
        "**The accuracy of the best of many settings on the videos that chose it is too high.** What choosing is worth "
        f"on the {value_range(data['test'])} test videos of each fold, which choose nothing: where each fold takes the "
        f"setting that its own validation videos choose, {scores}.",
    ]
    if data["subjects"] is None:
        lines.append("**The subjects are unknown, so training, validation and test may have people in common.**")
    programs = results["programs"]
    compiled = count(len(programs), "compiled program")
    lines.append(f"{count(len(results['settings']), 'setting')} in {compiled}.")
    return lines


def console(results: Mapping) -> str:
    """Returns the best settings, what choosing is worth and the time for a terminal."""
    head, rows = _rows(results, SHOWN)
    table = [head, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    lines = ["Validation videos, percent:"]
    lines += ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in table]
    scores = results["nested"]["scores"]
    lines += [
        "",
        f"Where each fold takes its own best setting, on its test videos: accuracy {interval(scores['accuracy'])}%, "
        f"AUC {interval(scores['auc'])}%.",
        _times(results),
    ]
    return "\n".join(line.rstrip() for line in lines)


def _times(results: Mapping) -> str:
    settings = len(results["settings"])
    compiled = count(len(results["programs"]), "compiled program")
    took = f"Took {results['seconds']:.1f} s for {count(settings, 'setting')} in {compiled}"
    seconds = results["epoch_seconds"]
    if seconds is None:
        return f"{took}."
    return f"{took}; an epoch of all took {seconds:.2f} s, {seconds / settings:.3f} s a setting."

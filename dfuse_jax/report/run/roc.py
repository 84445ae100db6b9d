"""A picture of how well probabilities tell the classes apart: ROC curves and confusion."""

import os
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from dfuse_jax import plotting
from dfuse_jax.plotting import BLUE, GREY
from dfuse_jax.report.formatting import CONFIDENCE, interval

Points = Float[np.ndarray, " points"]


def draw_roc(
    path: str | os.PathLike,
    results: Mapping,
    auc: Mapping,
    *,
    folds: Sequence[tuple[Points, Points]] = (),
    title: str,
) -> None:
    """Draws the pooled ROC curve with its band, those of folds, and the confusion of the classes, as a PNG.

    Args:
        path: of the picture.
        results: as in results.json or evaluation.json, for `roc` and `confusion`.
        auc: the pooled one: value, low, high.
        folds: false and true positive rates of each fold.
        title: of the figure.
    """
    figure = plotting.new_figure(4.7)
    curves, confusion = figure.subplots(1, 2)
    _draw_curves(curves, results["roc"], auc, folds)
    _draw_confusion(confusion, results["confusion"])
    plotting.save(path, figure, title)


def _draw_curves(axis: Axes, curve: Mapping | None, auc: Mapping, folds: Sequence[tuple[Points, Points]]) -> None:
    axis.plot((0, 1), (0, 1), color=GREY, linewidth=0.8, linestyle="--")
    for number, (false, true) in enumerate(folds):
        label = f"folds of all runs ({len(folds)})" if number == 0 else None
        axis.plot(false, true, color=GREY, linewidth=0.7, alpha=max(0.15, 0.9 / len(folds) ** 0.5), label=label)
    if curve is None:
        axis.text(0.5, 0.5, "undefined: a class is missing", ha="center", va="center", fontsize=9)
    else:
        false, true = ([0, *curve[key], 1] for key in ("false_positive_rate", "true_positive_rate"))
        axis.plot(false, true, color=BLUE, linewidth=1.8, label=f"pooled, AUC {interval(auc)}%")
        if None not in curve["low"]:
            low, high = [0, *curve["low"], 1], [curve["high"][0], *curve["high"], 1]
            axis.fill_between(false, low, high, color=BLUE, alpha=0.18, linewidth=0, label=f"{CONFIDENCE} band")
        axis.legend(frameon=False, fontsize=8, loc="lower right")
    axis.set(xlabel="share of posed smiles called spontaneous", ylabel="share of spontaneous smiles called so")
    axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axis.set_title("ROC curve", fontsize=9, loc="left")
    axis.spines[["top", "right"]].set_visible(False)


def _draw_confusion(axis: Axes, confusion: Mapping[str, Mapping[str, int]]) -> None:
    classes = list(confusion)
    for row, name in enumerate(classes):
        total = sum(confusion[name].values())
        for column, called in enumerate(classes):
            number = confusion[name][called]
            share = number / total if total else 0.0
            axis.fill_between((column, column + 1), row, row + 1, color=BLUE, alpha=0.08 + 0.82 * share, linewidth=0)
            colour = "white" if share > 0.55 else "black"
            shares = f"{100 * share:.1f}%" if total else "-"
            axis.text(column + 0.5, row + 0.45, str(number), ha="center", va="center", fontsize=15, color=colour)
            axis.text(column + 0.5, row + 0.66, shares, ha="center", va="center", fontsize=9, color=colour)
    axis.set(xticks=(0.5, 1.5), xticklabels=classes, xlabel="called", xlim=(0, 2))
    axis.set(yticks=(0.5, 1.5), ylabel="elicited as", ylim=(2, 0), aspect="equal")
    axis.set_yticklabels(classes, rotation=90, va="center")
    axis.tick_params(length=0)
    axis.set_title("predictions, and shares of each row", fontsize=9, loc="left")
    axis.spines[:].set_visible(False)

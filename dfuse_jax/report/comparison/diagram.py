"""The critical-difference diagram of Demsar (2006). Agg and the object API: no display, no global state."""

import os
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dfuse_jax.plotting import BLUE, DPI, ORANGE
from dfuse_jax.runtime.files import atomic

ROW, GAP = 0.24, 0.2  # inches between names, and between the bars of groups


def critical_difference(path: str | os.PathLike, names: Sequence[str], ranking: Mapping) -> None:
    """Average ranks on a line, best at the left; a bar joins variants that do not differ.

    Args:
        path: of the PNG.
        names: of the k variants.
        ranking: `significance.Ranking` as a dictionary, None for what is undefined.
    """
    ranks, sets = ranking["ranks"], ranking["groups"]
    half = -(-len(names) // 2)
    depth = GAP * (len(sets) + 1) + ROW * half
    figure = Figure(figsize=(8, depth + 1.5), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    axis.axis("off")
    k = max(len(names), 2)
    axis.set(xlim=(1 - 0.42 * (k - 1), k + 0.42 * (k - 1)), ylim=(-depth - 0.1, 0.85))
    if None in ranks:
        axis.text((1 + k) / 2, 0, "no fold in which all variants have a value", ha="center")
    else:
        _scale(axis, k, ranking["critical_difference"])
        _names(axis, names, ranks, top=-GAP * (len(sets) + 1), k=k)
        for row, members in enumerate(sets, 1):
            ends = [ranks[members[0]] - 0.006 * k, ranks[members[-1]] + 0.006 * k]
            axis.plot(ends, [-GAP * row] * 2, color=ORANGE, linewidth=4, solid_capstyle="butt")
    figure.suptitle(_title(ranking), fontsize=10, parse_math=False)
    with atomic(path, "wb") as file:
        figure.savefig(file, format="png", dpi=DPI)


def _title(ranking: Mapping) -> str:
    blocks = f"{ranking['blocks']} fold{'s' if ranking['blocks'] != 1 else ''}"
    if ranking["p"] is None:
        return "Average rank: undefined"
    return f"Average rank over {blocks}, 1 is best (Friedman p = {ranking['p']:.2g}); bars join what does not differ"


def _scale(axis: Axes, k: int, difference: float | None) -> None:
    """The line of ranks and, above it, the critical difference."""
    axis.plot([1, k], [0, 0], color="black", linewidth=1)
    for rank in range(1, k + 1):
        axis.plot([rank, rank], [0, 0.07], color="black", linewidth=1)
        axis.text(rank, 0.1, str(rank), ha="center", va="bottom", fontsize=8)
    if difference is not None:  # it may be longer than the line
        axis.plot([1, 1 + difference], [0.45, 0.45], "|-", color=BLUE, linewidth=1.2, markersize=7)
        label = f"critical difference {difference:.2f}"
        axis.text(1 + difference / 2, 0.52, label, ha="center", va="bottom", fontsize=8, color=BLUE)


def _names(axis: Axes, names: Sequence[str], ranks: Sequence[float], top: float, k: int) -> None:
    """The better half at the left, best on top; the other at the right, worst on top, so that no lines cross."""
    order = sorted(range(len(names)), key=lambda i: ranks[i])
    half = -(-len(names) // 2)
    sides = [(1 - 0.04 * (k - 1), "right", order[:half]), (k + 0.04 * (k - 1), "left", order[half:][::-1])]
    for x, align, members in sides:
        for row, i in enumerate(members):
            y = top - ROW * (row + 0.5)
            axis.plot([ranks[i], ranks[i], x], [0, y, y], color="#555555", linewidth=0.8)
            label = f"{names[i]}  {ranks[i]:.2f}" if align == "right" else f"{ranks[i]:.2f}  {names[i]}"
            axis.text(
                x - 0.01 * k if align == "right" else x + 0.01 * k,
                y,
                label,
                ha=align,
                va="center",
                fontsize=8,
                parse_math=False,
            )

"""The critical-difference diagram of Demsar (2006)."""

import os
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from dfuse_jax import plotting
from dfuse_jax.plotting import BLUE, GREY, ORANGE
from dfuse_jax.report.formatting import count

NAME_HEIGHT, BAR_HEIGHT = 0.24, 0.2  # inches between names, and between the bars of groups


def draw_critical_difference(path: str | os.PathLike, names: Sequence[str], ranking: Mapping) -> None:
    """Draws average ranks on a line, with the best at the left, as a PNG; a bar joins variants that do not differ.

    Args:
        path: of the PNG.
        names: of the k variants.
        ranking: `significance.Ranking` as a dictionary, None for what is undefined.
    """
    ranks, groups = ranking["ranks"], ranking["groups"]
    top_of_names = -BAR_HEIGHT * (len(groups) + 1)
    depth = NAME_HEIGHT * _half(len(names)) - top_of_names
    figure = plotting.new_figure(depth + 1.5)
    axis = figure.subplots()
    axis.axis("off")
    k = max(len(names), 2)
    axis.set(xlim=(1 - 0.42 * (k - 1), k + 0.42 * (k - 1)), ylim=(-depth - 0.1, 0.85))
    if None in ranks:
        axis.text((1 + k) / 2, 0, "no fold in which all variants have a value", ha="center")
    else:
        _draw_scale(axis, k, ranking["critical_difference"])
        _draw_names(axis, names, ranks, top=top_of_names, k=k)
        for row, members in enumerate(groups, 1):
            ends = [ranks[members[0]] - 0.006 * k, ranks[members[-1]] + 0.006 * k]
            axis.plot(ends, [-BAR_HEIGHT * row] * 2, color=ORANGE, linewidth=4, solid_capstyle="butt")
    plotting.save(path, figure, _title(ranking))


def _half(variants: int) -> int:
    """Returns the number of names at the left, where the larger half is."""
    return -(-variants // 2)


def _title(ranking: Mapping) -> str:
    if ranking["p"] is None:
        return "Average rank: undefined"
    folds = count(ranking["blocks"], "fold")
    return f"Average rank over {folds}, 1 is best (Friedman p = {ranking['p']:.2g}); bars join what does not differ"


def _draw_scale(axis: Axes, k: int, difference: float | None) -> None:
    """Draws the line of ranks and, above it, the critical difference."""
    axis.plot([1, k], [0, 0], color="black", linewidth=1)
    for rank in range(1, k + 1):
        axis.plot([rank, rank], [0, 0.07], color="black", linewidth=1)
        axis.text(rank, 0.1, str(rank), ha="center", va="bottom", fontsize=8)
    if difference is not None:  # it may be longer than the line
        axis.plot([1, 1 + difference], [0.45, 0.45], "|-", color=BLUE, linewidth=1.2, markersize=7)
        label = f"critical difference {difference:.2f}"
        axis.text(1 + difference / 2, 0.52, label, ha="center", va="bottom", fontsize=8, color=BLUE)


def _draw_names(axis: Axes, names: Sequence[str], ranks: Sequence[float], top: float, k: int) -> None:
    """Draws the better half at the left, best on top, and the other at the right, worst on top: no lines cross."""
    order = sorted(range(len(names)), key=lambda i: ranks[i])
    half = _half(len(names))
    left, right = 1 - 0.04 * (k - 1), k + 0.04 * (k - 1)
    for row, i in enumerate(order[:half]):
        y = top - NAME_HEIGHT * (row + 0.5)
        _draw_name(axis, f"{names[i]}  {ranks[i]:.2f}", rank=ranks[i], x=left, y=y, gap=-0.01 * k)
    for row, i in enumerate(reversed(order[half:])):
        y = top - NAME_HEIGHT * (row + 0.5)
        _draw_name(axis, f"{ranks[i]:.2f}  {names[i]}", rank=ranks[i], x=right, y=y, gap=0.01 * k)


def _draw_name(axis: Axes, label: str, *, rank: float, x: float, y: float, gap: float) -> None:
    """Draws a label at the end of a line from its rank; a negative gap puts it to the left of that end."""
    axis.plot([rank, rank, x], [0, y, y], color=GREY, linewidth=0.8)
    side = "left" if gap > 0 else "right"
    axis.text(x + gap, y, label, ha=side, va="center", fontsize=8, parse_math=False)

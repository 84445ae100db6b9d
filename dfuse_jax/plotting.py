"""What all figures share: palette, layout and saving. They use Agg and no pyplot: no display, no global state."""

import os
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dfuse_jax.runtime.files import atomic

# Okabe and Ito's palette: distinguishable with any colour vision, and by lightness in grey.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#E69F00", "#009E73", "#555555"
PHASES = {"onset": ORANGE, "apex": GREEN, "offset": BLUE}
WIDTH = 8.0  # inches
DPI = 150


def new_figure(height: float) -> Figure:
    """Returns an empty figure of WIDTH and this height in inches."""
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def stacked_axes(rows: int, height: float, ratios: Sequence[float] | None = None) -> tuple[Figure, list[Axes]]:
    """Returns a figure and its axes, one beneath another, over a common horizontal axis.

    Args:
        rows: number of axes.
        height: of the figure in inches.
        ratios: heights of the axes in relation to each other; equal by default.
    """
    figure = new_figure(height)
    axes = list(figure.subplots(rows, 1, sharex=True, squeeze=False, height_ratios=ratios)[:, 0])
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", color="#DDDDDD", linewidth=0.6)
        axis.set_axisbelow(True)
    return figure, axes


def save(path: str | os.PathLike, figure: Figure, title: str) -> None:
    """Writes the figure with a title as a PNG, which is whole or not there."""
    figure.suptitle(title, fontsize=11, parse_math=False)  # a name may hold a $
    with atomic(path, "wb") as file:
        figure.savefig(file, format="png", dpi=DPI)

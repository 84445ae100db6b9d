"""What all figures share: palette, layout, saving. Agg and the object API: no display, no global state."""

import os

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dfuse_jax.runtime.files import atomic

# Okabe and Ito's palette: told apart with any colour vision, and in grey by lightness.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#E69F00", "#009E73", "#555555"
PHASES = {"onset": ORANGE, "apex": GREEN, "offset": BLUE}
DPI = 150


def figure_of(rows: int, height: float, ratios=None) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(8, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(rows, 1, sharex=True, squeeze=False, height_ratios=ratios)[:, 0])
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", color="#DDDDDD", linewidth=0.6)
        axis.set_axisbelow(True)
    return figure, axes


def save(path: str | os.PathLike, figure: Figure, title: str) -> None:
    figure.suptitle(title, fontsize=11, parse_math=False)  # a name may hold a $
    with atomic(path, "wb") as file:
        figure.savefig(file, format="png", dpi=DPI)

"""A picture of what the probabilities of a run are worth."""

import os
from collections.abc import Mapping

from matplotlib.axes import Axes

from dfuse_jax import plotting
from dfuse_jax.plotting import BLUE, GREY, ORANGE


def draw_calibration(path: str | os.PathLike, results: Mapping) -> None:
    """Draws the reliability of the headline's probabilities, and its accuracy where it may abstain, as a PNG.

    Args:
        path: of the picture.
        results: as in results.json.
    """
    calibration = results["calibration"]
    figure = plotting.new_figure(4.0)
    reliability, abstention = figure.subplots(1, 2)
    _draw_bins(reliability, calibration, "as predicted", BLUE)
    if calibration["cooled"]:
        _draw_bins(reliability, calibration["cooled"], "with temperature", ORANGE)
    reliability.plot((0, 1), (0, 1), color=GREY, linewidth=0.8, linestyle="--")
    reliability.set(xlabel="predicted probability of spontaneous", ylabel="share that is spontaneous")
    reliability.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    reliability.set_title("reliability; areas are numbers of videos", fontsize=9, loc="left")
    reliability.legend(frameon=False, fontsize=9)
    shares = [row["share"] for row in calibration["abstention"]]
    accuracies = [row["accuracy"] for row in calibration["abstention"]]
    abstention.plot(shares, accuracies, marker="o", color=BLUE)
    abstention.set(xlabel="share that is judged, most confident first", ylabel="accuracy on these")
    abstention.set(xlim=(1.02, 0.08), ylim=(min(0.5, *accuracies) - 0.02, 1.02))
    abstention.set_title("abstention", fontsize=9, loc="left")
    for axis in (reliability, abstention):
        axis.spines[["top", "right"]].set_visible(False)
    plotting.save(path, figure, f"{results['name']}: {results['headline']}")


def _draw_bins(axis: Axes, numbers: Mapping, label: str, colour: str) -> None:
    filled = [b for b in numbers["bins"] if b["count"]]
    total = sum(b["count"] for b in filled)
    areas = [600 * b["count"] / total for b in filled]
    predicted, observed = ([b[key] for b in filled] for key in ("predicted", "observed"))
    error = numbers["calibration_error"]
    name = label if error is None else f"{label}: error {100 * error:.1f}%"
    axis.plot(predicted, observed, color=colour, linewidth=1, label=name)
    axis.scatter(predicted, observed, s=areas, color=colour, alpha=0.5, linewidths=0)

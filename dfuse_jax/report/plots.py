"""Figures: how a run learned, and how a smile moved. Agg and the object API: no display, no global state."""

import os
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dfuse_jax.files import atomic
from dfuse_jax.report import metrics
from dfuse_jax.report.outcome import Outcome, verdicts

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


def learning_curves(path: str | os.PathLike, outcome: Outcome) -> None:
    """Training loss, accuracy on validation and test videos, and the epochs that were chosen, as a PNG.

    The loss is the mean over the replicas of a kind, with their range; an accuracy is the mean over replicas.
    """
    figure, (loss, accuracy, chosen) = figure_of(3, 6.5, (5, 5, 1))
    for kind, colour in {"validated": BLUE, "final": ORANGE}.items():
        members = [r for r, replica in enumerate(outcome.replicas) if replica.validated == (kind == "validated")]
        if members:
            _kind(loss, accuracy, outcome, members, kind, colour)
    found = verdicts(outcome)
    for row, (protocol, colour) in enumerate({"validated": BLUE, "peeked": GREY}.items()):
        at = [verdict.epoch + 1 for verdict in found[protocol]]
        chosen.plot(at, np.full(len(at), -row), "|", color=colour, markersize=11, markeredgewidth=1.4)
    loss.set(ylabel="training loss")
    accuracy.set(ylabel="accuracy", ylim=(-0.02, 1.02))
    chosen.set(xlabel="epoch", xlim=(0.5, len(outcome.losses) + 0.5), ylim=(-1.6, 0.6))
    chosen.set(yticks=(0, -1), yticklabels=("validated", "peeked"))
    chosen.xaxis.set_major_locator(MaxNLocator(integer=True, steps=(1, 2, 5, 10)))
    chosen.set_title("epoch taken, one mark a replica", fontsize=9, loc="left")
    chosen.grid(False)
    for axis in (loss, accuracy):
        axis.legend(frameon=False, fontsize=9)
    save(path, figure, outcome.name)


def _kind(loss: Axes, accuracy: Axes, outcome: Outcome, members: list[int], kind: str, colour: str) -> None:
    """Draws the replicas of one kind: the mean and range of their losses, the mean of their accuracies."""
    epochs = np.arange(1, len(outcome.losses) + 1)
    style = {"color": colour, "marker": "o" if len(epochs) == 1 else None}  # one epoch makes no line
    values = np.ma.masked_invalid(np.asarray(outcome.losses, float)[:, members])
    loss.plot(epochs, values.mean(axis=1), label=f"{kind}, {len(members)} replicas (mean, range)", **style)
    loss.fill_between(epochs, values.min(axis=1), values.max(axis=1), color=colour, alpha=0.2, linewidth=0)
    videos = "validation" if kind == "validated" else "test"
    accuracy.plot(epochs, _accuracy(outcome, members), label=f"{kind}, {videos} videos (mean)", **style)


def _accuracy(outcome: Outcome, members: list[int]) -> np.ndarray:
    """[epochs] mean accuracy over the members, each on its validation videos, or on its test videos if it has none."""
    of_member = []
    for r in members:
        replica = outcome.replicas[r]
        videos, said = (replica.val, outcome.of_val(r)) if replica.validated else (replica.test, outcome.of_test(r))
        of_member.append(metrics.hits(np.asarray(outcome.labels)[videos], said).mean(axis=-1))
    return np.mean(of_member, axis=0)


def signals(
    path: str | os.PathLike,
    values: Mapping[str, np.ndarray],
    phases: Mapping[str, tuple[int, int] | None],
    fps: float,
    title: str,
) -> None:
    """The D-Marker signals of one video over time, its phases shaded, as a PNG.

    Args:
        path: of the PNG.
        values: name of each signal (eye, cheek, lip) -> [T], ratios of distances.
        phases: onset, apex and offset -> first frame and the one after the last, or None where the phase is empty.
        fps: frames per second.
        title: of the figure.
    """
    figure, axes = figure_of(len(values), 1.0 + 1.7 * len(values))
    for axis, (name, signal) in zip(axes, values.items(), strict=True):
        for phase, colour in PHASES.items():
            if phases.get(phase) is not None:
                # A frame stands for the time around it: a phase of one frame has a width, neighbours do not overlap.
                start, stop = ((frame - 0.5) / fps for frame in phases[phase])
                axis.axvspan(start, stop, color=colour, alpha=0.25, linewidth=0, label=phase)
        axis.plot(np.arange(len(signal)) / fps, signal, color="black", linewidth=1.3)
        axis.set_ylabel(f"{name}\n(ratio of distances)", fontsize=9)
    axes[-1].set_xlabel("time [s]")
    figure.align_ylabels()
    handles, labels = axes[0].get_legend_handles_labels()
    if handles:
        axes[0].legend(handles, labels, ncols=3, frameon=False, fontsize=9, loc="lower right", bbox_to_anchor=(1, 1))
    save(path, figure, title)

"""A picture of what the D-Markers see in one video."""

import os

import numpy as np

from dfuse_jax import plotting
from dfuse_jax.dmarkers import head_pose, phases, signals
from dfuse_jax.dmarkers._checks import validate
from dfuse_jax.dmarkers._phases import PHASES
from dfuse_jax.dmarkers._signals import REGIONS

ANGLES = {"roll": plotting.ORANGE, "yaw": plotting.BLUE, "pitch": plotting.GREEN}
LINES = {"mean": {"linewidth": 1.6}, "right": {"linewidth": 0.6, "linestyle": "--"}, "left": {"linewidth": 0.6}}


def plot(
    path: str | os.PathLike,
    landmarks,
    fps: float,
    *,
    length: int | None = None,
    aspect: float = 1.0,
    definition: str = "paper",
    smoothing: str | None = None,
    title: str = "D-Markers",
) -> None:
    """Draws the three signals over time with onset, apex and offset shaded, and the head pose, as a PNG.

    The thick line is the mean of the two sides, smoothed if asked for: what the features are computed from.

    Args:
        path: of the PNG.
        landmarks: [T, 478, 3] or [T, 11, 3] in MediaPipe's coordinates.
        fps: frames per second.
        length: the first `length` frames are drawn (default: all T).
        aspect: image height / width.
        definition: "paper" or "authors", as for `compute`.
        smoothing: None or "4253H", as for `compute`.
        title: of the figure.

    Raises:
        ValueError: for input that `validate` refuses, or an unknown option.
    """
    validate(landmarks, fps, length=length)
    landmarks = np.asarray(landmarks)[:length]
    found = signals(landmarks, aspect=aspect, definition=definition, smoothing=smoothing)
    inside = np.asarray(phases(found.mean[REGIONS.index("lip")], definition=definition))
    time = np.arange(len(landmarks)) / fps
    figure, axes = plotting.stacked_axes(len(REGIONS) + 1, 8.0)
    for axis, name, *sides in zip(axes, REGIONS, *(np.asarray(side) for side in found), strict=False):
        _shade(axis, inside, fps)
        for signal, (side, style) in zip(sides, LINES.items(), strict=True):
            axis.plot(time, signal, color="black", label=side, **style)
        axis.set_ylabel(f"{name}\n(ratio of distances)", fontsize=9)
    axes[0].legend(ncols=6, frameon=False, fontsize=9, loc="lower right", bbox_to_anchor=(1, 1))
    for (name, colour), angle in zip(ANGLES.items(), np.asarray(head_pose(landmarks, aspect=aspect)).T, strict=True):
        axes[-1].plot(time, angle, color=colour, linewidth=1.3, label=name)
    axes[-1].set(xlabel="time [s]", ylabel="head pose [degrees]")
    axes[-1].legend(ncols=3, frameon=False, fontsize=9, loc="lower right", bbox_to_anchor=(1, 1))
    figure.align_ylabels()
    plotting.save(path, figure, title)


def _shade(axis, inside, fps):
    """Every phase as a band; a frame stands for the time around it, so a phase of one frame has a width."""
    for name, frames in zip(PHASES, inside, strict=True):
        (where,) = np.nonzero(frames)
        if len(where):
            start, stop = (where[0] - 0.5) / fps, (where[-1] + 0.5) / fps
            axis.axvspan(start, stop, color=plotting.PHASES[name], alpha=0.25, linewidth=0, label=name)

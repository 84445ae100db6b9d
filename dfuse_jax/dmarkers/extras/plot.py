"""A figure of what the D-Markers of one video are computed from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from dfuse_jax import plotting
from dfuse_jax.dmarkers._checks import validate
from dfuse_jax.dmarkers._compute import head_pose, phase_ends, signals
from dfuse_jax.dmarkers._definitions import DEFINITIONS, check_options
from dfuse_jax.dmarkers._phases import PHASES
from dfuse_jax.dmarkers._signals import REGIONS

if TYPE_CHECKING:
    from jaxtyping import Float
    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

ANGLES = {"roll": plotting.ORANGE, "yaw": plotting.BLUE, "pitch": plotting.GREEN}
LINES = {"mean": {"linewidth": 1.6}, "right": {"linewidth": 0.6, "linestyle": "--"}, "left": {"linewidth": 0.6}}
HEIGHT = 2.0  # of a panel, in inches


def plot(
    path: str | os.PathLike,
    landmarks: Float[ArrayLike, "frames points 3"],
    fps: float,
    *,
    length: int | None = None,
    aspect: float = 1.0,
    definition: str = "robust",
    smoothing: str | None = None,
    title: str = "D-Markers",
) -> None:
    """Draws the three signals over time with onset, apex and offset shaded, and the head pose, as a PNG.

    The thick line is the mean of the two sides, smoothed if asked for; `robust` smooths it later, over
    seconds. For `authors` there is no head pose: that definition reads scaled landmarks, in which angles are not those
    of the head.

    Args:
        path: of the PNG.
        landmarks: [T, 478, 3] or [T, 11, 3] in MediaPipe's coordinates; for `authors`, min-max scaled.
        fps: frames per second.
        length: the first `length` frames are drawn (default: all T).
        aspect: image height / width.
        definition: "robust" (the default here, unlike for `compute`: figures are mostly drawn of one's own videos),
            "paper" or "authors".
        smoothing: None, or "4253H" (not for "robust"), as for `compute`.
        title: of the figure.

    Raises:
        ValueError: for input that `validate` refuses, or an unknown option.
    """
    check_options(definition=definition, smoothing=smoothing)
    validate(landmarks, fps, length=length, aspect=aspect)
    landmarks = np.asarray(landmarks)[:length]
    curves = signals(landmarks, aspect=aspect, definition=definition, smoothing=smoothing)
    ends = np.asarray(phase_ends(curves.mean[REGIONS.index("lip")], fps, definition=definition))
    time = np.arange(len(landmarks)) / fps
    shows_pose = DEFINITIONS[definition].removes_head_pose
    panels = len(REGIONS) + shows_pose
    figure, axes = plotting.stacked_axes(panels, HEIGHT * panels)
    for region, (axis, name) in enumerate(zip(axes, REGIONS, strict=False)):
        _shade(axis, ends / fps)
        for side, style in LINES.items():
            axis.plot(time, np.asarray(getattr(curves, side)[region]), color="black", label=side, **style)
        axis.set_ylabel(f"{name}\n(ratio of distances)", fontsize=9)
    _add_legend(axes[0], columns=6)
    if shows_pose:
        angles = np.asarray(head_pose(landmarks, aspect=aspect)).T
        for (name, colour), angle in zip(ANGLES.items(), angles, strict=True):
            axes[-1].plot(time, angle, color=colour, linewidth=1.3, label=name)
        axes[-1].set_ylabel("head pose [degrees]")
        _add_legend(axes[-1], columns=3)
    axes[-1].set_xlabel("time [s]")
    figure.align_ylabels()
    plotting.save(path, figure, title)


def _shade(axis: Axes, ends: Float[np.ndarray, "3 2"]) -> None:
    """Draws every phase as a band, from begin to end in seconds."""
    for name, (start, stop) in zip(PHASES, ends, strict=True):
        if np.isfinite(start):
            axis.axvspan(start, stop, color=plotting.PHASES[name], alpha=0.25, linewidth=0, label=name)


def _add_legend(axis: Axes, columns: int) -> None:
    axis.legend(ncols=columns, frameon=False, fontsize=9, loc="lower right", bbox_to_anchor=(1, 1))

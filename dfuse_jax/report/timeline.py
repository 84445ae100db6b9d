"""A recording at a glance: everybody's lip signal over time, with the smiles that are found in it."""

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from dfuse_jax import plotting

MINUTES = 2.0  # a row
HEIGHT = 1.1  # of a row, in inches
MOST_ROWS = 48  # of longer recordings, and of more people, a row shows more
LIMITS = (0.05, 0.4)  # below and above rest that a row shows at least, in D_lip


class Lane(NamedTuple):
    """What is drawn of one person: lip signal and its rest [N], smiles in frames, and which frames are flagged [N]."""

    lip: Float[np.ndarray, " frames"]
    baseline: Float[np.ndarray, " frames"]
    spans: Sequence[tuple[float, float]]
    flagged: Bool[np.ndarray, " frames"]


def draw(path: str | os.PathLike, lanes: Sequence[Lane], *, fps: float, title: str) -> None:
    """Draws a recording as rows of some minutes, a row a person, as a PNG.

    Args:
        path: of the PNG.
        lanes: of everybody.
        fps: frames per second.
        title: of the figure.
    """
    frames = len(lanes[0].lip)
    seconds = frames / fps
    pages = max(1, min(MOST_ROWS // len(lanes), int(np.ceil(seconds / (60 * MINUTES)))))
    width = seconds / pages
    rows = pages * len(lanes)
    figure = plotting.new_figure(0.8 + HEIGHT * rows)
    axes = figure.subplots(rows, 1, squeeze=False)[:, 0]
    time = np.arange(frames) / fps
    for row, axis in enumerate(axes):
        page, person = divmod(row, len(lanes))
        lane = lanes[person]
        inside = slice(int(page * width * fps), int((page + 1) * width * fps) + 1)
        axis.plot(time[inside], lane.lip[inside], color="black", linewidth=0.7)
        axis.plot(time[inside], lane.baseline[inside], color=plotting.BLUE, linewidth=0.7)
        for number, (begin, end) in enumerate(lane.spans):
            if end / fps >= page * width and begin / fps <= (page + 1) * width:
                axis.axvspan(begin / fps, end / fps, color=plotting.GREEN, alpha=0.25, linewidth=0)
                left = max(begin / fps, page * width)
                axis.text(left, 0.97, str(number + 1), fontsize=7, va="top", transform=axis.get_xaxis_transform())
        flagged = np.where(lane.flagged[inside], 0.03, np.nan)
        axis.plot(time[inside], flagged, color=plotting.ORANGE, linewidth=3, transform=axis.get_xaxis_transform())
        axis.set_xlim(page * width, (page + 1) * width)
        known = lane.lip[np.isfinite(lane.lip)]
        if len(known):
            rest = np.median(lane.baseline[np.isfinite(lane.baseline)])
            axis.set_ylim(min(rest - LIMITS[0], known.min()), max(rest + LIMITS[1], known.max()))
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=7)
        axis.set_ylabel(f"lips of {person + 1}" if len(lanes) > 1 else "lips", fontsize=8)
    axes[-1].set_xlabel("time [s]; green: smiles, orange: flagged frames, blue: rest", fontsize=8)
    plotting.save(path, figure, title)

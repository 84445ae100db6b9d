"""Draws the figures of README.md and docs/ from the bundled synthetic data: `python docs/figures.py`."""

import pathlib

import numpy as np

from dfuse_jax import dmarkers, plotting
from dfuse_jax.data.synthetic import generate

FOLDER = pathlib.Path(__file__).parent / "figures"
KINDS = {"spontaneous": 0, "posed": 1}  # the videos of the first synthetic subject
LIP = dmarkers.REGIONS.index("lip")
SEED = 5


def draw_overview(path: pathlib.Path) -> None:
    """Draws landmarks of a face at rest and at the apex of a smile, and the signals of two smiles with their phases."""
    videos = generate(videos=2, subjects=1, seed=SEED)
    figure = plotting.new_figure(height=3.6)
    face_axis, *axes = figure.subplots(1, 3, width_ratios=(1, 1.35, 1.35))
    _draw_faces(face_axis, videos[KINDS["posed"]])
    for axis, (kind, number) in zip(axes, KINDS.items(), strict=True):
        _draw_signals(axis, videos[number])
        axis.set_title(f"a {kind} smile (synthetic)", fontsize=9)
    axes[1].sharey(axes[0])
    axes[1].tick_params(labelleft=False)
    axes[0].set_ylabel("signal (ratio of distances)", fontsize=9)
    axes[0].legend(ncols=3, frameon=False, fontsize=7, loc="upper left")
    plotting.save(path, figure, "478 landmarks  →  3 signals, 3 phases  →  225 D-Markers")


def _draw_faces(axis, video) -> None:
    """Draws the first frame in grey, the frame of the widest smile in blue, and Table 1's points in orange."""
    curves = dmarkers.signals(video.landmarks, aspect=video.aspect, definition="robust")
    apex = int(np.argmax(curves.mean[LIP]))
    chosen = np.array(dmarkers.LANDMARKS)
    for frame, colour, label in ((0, "#BBBBBB", "at rest"), (apex, plotting.BLUE, "apex")):
        x, y = (video.landmarks[frame, :, :2] * (1, video.aspect)).T
        axis.scatter(x, y, s=1.2, color=colour, label=label, linewidths=0)
    axis.scatter(x[chosen], y[chosen], s=14, color=plotting.ORANGE, label="Table 1's points", linewidths=0)
    axis.set_aspect("equal")
    axis.invert_yaxis()
    axis.set_axis_off()
    axis.legend(frameon=False, fontsize=7, loc="upper center", bbox_to_anchor=(0.5, 0.02), markerscale=1.5)


def _draw_signals(axis, video) -> None:
    """Draws the three signals of a video, with onset, apex and offset shaded."""
    curves = dmarkers.signals(video.landmarks, aspect=video.aspect, definition="robust")
    ends = np.asarray(dmarkers.phase_ends(curves.mean[LIP], video.fps, definition="robust"))
    for (phase, colour), (start, stop) in zip(plotting.PHASES.items(), ends / video.fps, strict=True):
        if np.isfinite(start):
            axis.axvspan(start, stop, color=colour, alpha=0.25, linewidth=0)
            axis.text((start + stop) / 2, 0.01, phase, transform=axis.get_xaxis_transform(), fontsize=7, ha="center")
    seconds = np.arange(len(video.landmarks)) / video.fps
    for name, curve, style in zip(dmarkers.REGIONS, curves.mean, (":", "--", "-"), strict=True):
        axis.plot(seconds, curve, style, color="black", linewidth=1.2, label=name)
    axis.set_xlabel("time [s]", fontsize=9)
    axis.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    draw_overview(FOLDER / "overview.png")

"""An explanation for people: a picture, a few words, and JSON."""

import os
import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import SubFigure

from dfuse_jax import dmarkers, plotting
from dfuse_jax.evaluate.explanation import ENCODER, Explanation, Player
from dfuse_jax.report.face import draw_face

POSED, SPONTANEOUS = "#0072B2", "#D55E00"  # Okabe and Ito's blue and vermilion: distinguishable with any vision
SKIN = "#F4F1ED"
COLOURS = LinearSegmentedColormap.from_list("effect", [POSED, SKIN, SPONTANEOUS])
REGIONS = {"eye": "eyes", "cheek": "cheeks", "lip": "lips"}
PHASES = {"onset": "as the smile begins", "apex": "at the smile's height", "offset": "as the smile fades"}
SHORT = {"onset": "begins (onset)", "apex": "height (apex)", "offset": "fades (offset)"}
LEAST = 0.005  # a scale of colours ends here at least: below half a percentage point all is pale
FEWEST_ROWS = 7  # of the bars, for the room that they take
NAMED = 3  # effects that a line of text names
LIMITS = (
    "This is what these models use. It does not show what makes a smile spontaneous, nor what the person felt.",
    "Effects are percentage points of the probability, compared with {background}; compared with others they would "
    "differ. They describe the models, not causes: inputs that always change together share their effect.",
    "The encoder picks neighbours and maxima, so that its gradients explain nothing. What it sees is explained by "
    "holding parts of the face still instead; these effects do not add up.",
)


def limits(explanation: Explanation) -> list[str]:
    """Returns what an explanation does not mean, whole sentences."""
    return [text.format(background=explanation.background) for text in LIMITS]


def words(player: Player) -> str:
    """Returns a player in words."""
    return "the moving face itself" if player == ENCODER else f"{REGIONS[player.region]} {PHASES[player.phase]}"


def describe(explanation: Explanation) -> str:
    """Returns a line: from what to what the answer moved, and the players that moved it most."""
    values = explanation.shapley.mean(axis=0)
    order = np.argsort(-np.abs(values), kind="stable")[:NAMED]
    largest = ", ".join(f"{words(explanation.players[p])} {_points(values[p])}" for p in order)
    return (
        f"from {explanation.start.mean():.1%} on average for {explanation.background} to "
        f"{explanation.probability.mean():.1%}: {largest} points"
    )


def to_json(explanation: Explanation, fps: float) -> dict[str, Any]:
    """Returns an explanation as JSON; probabilities and effects are fractions, not percentages.

    Args:
        explanation: of a video.
        fps: its frames per second.
    """
    content: dict[str, Any] = {
        "video": explanation.name,
        "run": explanation.run,
        "note": explanation.note,
        "models": len(explanation.probability),
        "background": explanation.background,
        "start": _spread(explanation.start),
        "probability": _spread(explanation.probability),
        "players": [
            {"player": player.name, "words": words(player), **_spread(values)}
            for player, values in zip(explanation.players, explanation.shapley.T, strict=True)
        ],
        "largest_error_of_the_sum": explanation.residual,
    }
    if explanation.gradients is not None and explanation.gradient_difference is not None:
        error = np.abs(explanation.gradients.sum(axis=1) - explanation.gradient_difference)
        content["integrated_gradients"] = {
            "difference": _spread(explanation.gradient_difference),
            "largest_error_of_the_sum": float(error.max()),
            "dmarkers": {
                name: _spread(values)
                for name, values in zip(dmarkers.FEATURE_NAMES, explanation.gradients.T, strict=True)
            },
        }
    if explanation.parts:
        mean = explanation.frames.mean(axis=0)
        content["held_still"] = {
            "parts": {part: _spread(values) for part, values in explanation.parts.items()},
            "frames": [
                {"frame": int(t), "second": round(t / fps, 4), **_spread(explanation.frames[:, t])}
                for t in np.flatnonzero(np.isfinite(mean))
            ],
            "windows": explanation.windows.tolist(),
        }
    return {**content, "notes": list(explanation.notes), "limits": limits(explanation)}


def draw(
    path: str | os.PathLike,
    explanation: Explanation,
    signals: dmarkers.Signals,
    phases: Float[np.ndarray, "3 2"],
    *,
    fps: float,
    title: str,
) -> None:
    """Draws faces, bars of the players, the signals with their phases and the frames' effects, as a PNG.

    Args:
        path: of the PNG.
        explanation: of a video.
        signals: of the same video.
        phases: begin and end of onset, apex and offset in frames, NaN where there is none.
        fps: frames per second.
        title: of the figure.
    """
    values = explanation.shapley.mean(axis=0)
    parts = {part: float(effects.mean()) for part, effects in explanation.parts.items()}
    limit = max(LEAST, float(np.abs([*values, *parts.values(), *explanation.by_region().values()]).max()))
    strips = 3 + bool(explanation.parts)
    heights = (3.6, 0.85 * strips + 0.75, 1.4)
    figure = plotting.new_figure(sum(heights) + 0.5)
    panels: Any = figure.subfigures(3, 1, height_ratios=heights)
    top, middle, bottom = panels
    _draw_top(top, explanation, limit, parts)
    _draw_timeline(middle, explanation, limit, signals, phases, fps)
    _draw_caption(bottom, explanation, limit)
    plotting.save(path, figure, title)


def _draw_top(figure: SubFigure, explanation: Explanation, limit: float, parts: Mapping[str, float]) -> None:
    """Draws a face of D-Markers' effects and one of what holding still does, where there are such, and the bars."""
    faces = []
    if explanation.gradients is not None:
        regions = {REGIONS[region]: value for region, value in explanation.by_region().items()}
        faces.append(("measured movements\n(D-Markers, whole smile)", regions))
    if parts:
        faces.append(("the moving face itself\n(effect of each part's motion)", parts))
    columns = figure.subplots(1, len(faces) + 1, width_ratios=[*(1 for _ in faces), 3.6 - len(faces)])
    for axis, (name, effects) in zip(columns, faces, strict=False):
        draw_face(axis, effects, COLOURS, limit)
        axis.set_title(name, fontsize=8)
        lines = [f"{part} {_points(value)}" for part, value in effects.items()]
        axis.text(0.5, -0.02, "\n".join(lines), transform=axis.transAxes, fontsize=7.5, ha="center", va="top")
    _draw_bars(columns[-1], explanation, limit)


def _draw_bars(axis: Axes, explanation: Explanation, limit: float) -> None:
    """Draws a bar for each player, the largest effect on top, with its range over the models."""
    effects = 100 * explanation.shapley
    mean = effects.mean(axis=0)
    order = np.argsort(np.abs(mean), kind="stable")
    rows = np.arange(len(order))
    axis.barh(rows, mean[order], color=[POSED if x < 0 else SPONTANEOUS for x in mean[order]], height=0.7)
    if len(effects) > 1:
        axis.hlines(rows, effects.min(axis=0)[order], effects.max(axis=0)[order], color=plotting.GREY, linewidth=1)
    axis.set_yticks(rows, [f"{words(explanation.players[p])}  {_points(mean[p] / 100)}" for p in order], fontsize=8)
    axis.axvline(0, color="black", linewidth=0.8)
    padding = max(0, FEWEST_ROWS - len(order)) / 2  # so that a single bar is no square
    axis.set_ylim(-0.6 - padding, len(order) - 0.4 + padding)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.tick_params(axis="y", length=0)
    axis.tick_params(axis="x", labelsize=8)
    start, end = explanation.start.mean(), explanation.probability.mean()
    axis.set_title(f"from {start:.1%} for other videos\nto {end:.1%} for this one", fontsize=8)
    lines = "\n(line: lowest to highest model)" if len(effects) > 1 else ""
    axis.set_xlabel(f"percentage points{lines}", fontsize=8)


def _draw_timeline(
    figure: SubFigure,
    explanation: Explanation,
    limit: float,
    signals: dmarkers.Signals,
    phases: Float[np.ndarray, "3 2"],
    fps: float,
) -> None:
    """Draws the signals, with every phase in the colour of its effect, and what each frame's motion does."""
    rows = len(REGIONS) + bool(explanation.parts)
    axes = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    time = np.arange(signals.mean.shape[1]) / fps
    values = dict(zip(explanation.players, explanation.shapley.mean(axis=0), strict=True))
    for axis, (number, region) in zip(axes, reversed(list(enumerate(dmarkers.REGIONS))), strict=False):
        axis.plot(time, np.asarray(signals.mean[number]), color="black", linewidth=1.2)
        for phase, (begin, end) in zip(dmarkers.PHASES, phases / fps, strict=True):
            if not np.isfinite(begin):
                continue
            value = values.get(Player(region, phase))
            shade = "#EEEEEE" if value is None else COLOURS(Normalize(-limit, limit)(value))
            axis.axvspan(begin, end, color=shade, linewidth=0)
            axis.axvline(begin, color="white", linewidth=1.5)
            if axis is axes[0]:
                middle = (max(begin, 0) + min(end, time[-1])) / 2
                axis.text(middle, 1.03, SHORT[phase], transform=axis.get_xaxis_transform(), fontsize=8, ha="center")
        axis.set_ylabel(REGIONS[region], fontsize=8, rotation=0, ha="right", va="center")
        axis.set_yticks(())
    if explanation.parts:
        _draw_frames(axes[-1], explanation, time, fps)
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
    axes[-1].set_xlim(0, time[-1])
    axes[-1].set_xlabel("time [s]", fontsize=8)


def _draw_frames(axis: Axes, explanation: Explanation, time: Float[np.ndarray, " frames"], fps: float) -> None:
    """Draws what every frame's motion does to the answer; grey where no clip shows the frame."""
    effects = 100 * explanation.frames.mean(axis=0)
    seen = np.isfinite(effects)
    for begin, end in _runs(~seen):
        axis.axvspan((begin - 0.5) / fps, (end - 0.5) / fps, color="#DDDDDD", linewidth=0)
    shown = effects[seen]
    axis.bar(time[seen], shown, width=1 / fps, color=np.where(shown < 0, POSED, SPONTANEOUS))
    axis.axhline(0, color="black", linewidth=0.6)
    limit = 1.15 * max(100 * LEAST, float(np.abs(shown).max(initial=0)))
    axis.set_ylim(-limit, limit)
    axis.set_ylabel("frames\n[points]", fontsize=8, rotation=0, ha="right", va="center")


def _draw_caption(figure: SubFigure, explanation: Explanation, limit: float) -> None:
    """Draws the legend of the colours and what the picture does not mean."""
    legend, text = figure.subplots(1, 2, width_ratios=(1, 2.4))
    legend.axis("off")
    scale = ScalarMappable(Normalize(-limit, limit), COLOURS)
    bar = figure.colorbar(scale, cax=legend.inset_axes((0.05, 0.5, 0.85, 0.15)), orientation="horizontal")
    bar.set_ticks([-limit, 0, limit], labels=[_points(-limit), "0", _points(limit)], fontsize=7)
    legend.text(0.05, 0.7, "towards\nposed", color=POSED, fontsize=8, ha="left")
    legend.text(0.9, 0.7, "towards\nspontaneous", color=SPONTANEOUS, fontsize=8, ha="right")
    legend.text(0.475, 0.25, "percentage points", fontsize=7, ha="center", va="top")
    text.axis("off")
    grey = ["Grey frames are in none of the clips that the encoder is shown."] if explanation.parts else []
    sentences = " ".join([*explanation.notes, *limits(explanation), *grey])
    text.text(0, 0.97, textwrap.fill(sentences, 94), fontsize=7, va="top")


def _runs(where: Bool[np.ndarray, " frames"]) -> list[tuple[int, int]]:
    """Returns where runs of True begin, and the places after their ends."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], where, [False]]).astype(int)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _points(value: float) -> str:
    """Returns an effect in percentage points, with a sign."""
    return f"{round(100 * value, 1) + 0.0:+.1f}".replace("-", "−")


def _spread(values: Float[np.ndarray, " models"]) -> dict[str, float]:
    """Returns mean, lowest and highest of the models' values."""
    return {"mean": float(values.mean()), "lowest": float(values.min()), "highest": float(values.max())}

"""Embeddings as a picture of several runs side by side, a table and numbers."""

import csv
import dataclasses
import io
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped
from matplotlib.axes import Axes

from dfuse_jax import plotting
from dfuse_jax.evaluate.results import CLASSES
from dfuse_jax.report.files import write_json, write_text
from dfuse_jax.runtime.files import atomic

FORMAT = 1  # of results.json
STYLES: dict[int, dict[str, Any]] = {  # of the classes, posed first: Okabe and Ito's blue and vermilion
    0: {"color": "#0072B2", "marker": "^"},
    1: {"color": "#D55E00", "marker": "o"},
}
ACROSS = 3  # runs side by side
PANEL = 2.5  # inches
METHODS = ("tsne", "pca")
CAPTION = "numbers: mean over folds (range), computed with all dimensions, not in the picture"


@dataclasses.dataclass(frozen=True)
class Embedded:
    """The test videos of one run.

    Attributes:
        name: of the run.
        videos: their names.
        subjects: who smiles in each.
        labels: 1 spontaneous, 0 posed.
        folds: the fold in which each is tested, from 1.
        vectors: their embeddings, in the space of each fold's own model.
        aligned: the same in one space.
        pca: places in the picture.
        tsne: places in the other picture.
        results: the numbers, see results.json.
    """

    name: str
    videos: list[str]
    subjects: Shaped[np.ndarray, " videos"]
    labels: Int[np.ndarray, " videos"]
    folds: Int[np.ndarray, " videos"]
    vectors: Float[np.ndarray, "videos width"]
    aligned: Float[np.ndarray, "videos width"]
    pca: Float[np.ndarray, "videos 2"]
    tsne: Float[np.ndarray, "videos 2"]
    results: Mapping[str, Any]


def write(directory: pathlib.Path, embedded: Sequence[Embedded], results: Mapping[str, Any]) -> None:
    """Writes figure.png, embeddings.csv, embeddings.npz and results.json; the folder is made if it is missing."""
    directory.mkdir(parents=True, exist_ok=True)
    draw(directory / "figure.png", embedded)
    write_text(directory / "embeddings.csv", table(embedded))
    arrays = {}
    for one in embedded:
        fields = ("labels", "folds", "vectors", "aligned", "pca", "tsne")
        arrays |= {f"{one.name}/{field}": getattr(one, field) for field in fields}
        arrays |= {f"{one.name}/videos": np.array(one.videos), f"{one.name}/subjects": one.subjects}
    with atomic(directory / "embeddings.npz", "wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    write_json(directory / "results.json", results)


def console(results: Mapping[str, Any]) -> str:
    """Returns a line for each run, and the notes."""
    lines = [f"{run['name']}: {', '.join(_numbers(run))}" for run in results["runs"]]
    return "\n".join([*lines, *results["notes"]])


def table(embedded: Sequence[Embedded]) -> str:
    """Returns embeddings.csv: a row a video and run, with its places in the pictures and its vector."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    width = max(one.vectors.shape[1] for one in embedded)
    places = ("tsne_x", "tsne_y", "pca_x", "pca_y")
    writer.writerow(("run", "fold", "video", "subject", "label", *places, *(f"e{n}" for n in range(width))))
    for one in embedded:
        rows = zip(one.folds, one.videos, one.subjects, one.labels, one.tsne, one.pca, one.vectors, strict=True)
        for fold, video, subject, label, tsne, pca, vector in rows:
            numbers = (f"{x:.6g}" for x in (*tsne, *pca, *vector))
            writer.writerow((one.name, fold, video, subject, CLASSES[label], *numbers))
    return text.getvalue()


def draw(path: pathlib.Path, embedded: Sequence[Embedded]) -> None:
    """Draws t-SNE and, beneath it, PCA of every run, with its numbers, as a PNG."""
    columns = min(ACROSS, len(embedded))
    bands = -(-len(embedded) // ACROSS)
    figure = plotting.new_figure(bands * (2 * PANEL + 0.9) + 0.9)
    axes = figure.subplots(2 * bands, columns, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for number, one in enumerate(embedded):
        band, column = divmod(number, ACROSS)
        for row, method in enumerate(METHODS):
            axis = axes[2 * band + row, column]
            axis.axis("on")
            _draw_panel(axis, one, method)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    legend = {"ncols": 2, "frameon": False, "fontsize": 9, "title": CAPTION, "title_fontsize": 8}
    figure.legend(handles, labels, loc="outside lower center", **legend)
    plotting.save(path, figure, "Embeddings of test videos, each by the model of its own fold")


def _draw_panel(axis: Axes, one: Embedded, method: str) -> None:
    places = getattr(one, method)
    for label, style in STYLES.items():
        of_class = one.labels == label
        x, y = places[of_class].T
        axis.scatter(x, y, s=14, alpha=0.75, linewidths=0, label=CLASSES[label], **style)
    axis.set(xticks=(), yticks=(), box_aspect=1)
    axis.set_aspect("equal", adjustable="datalim")
    axis.spines[["top", "right"]].set_visible(False)
    if method == "tsne":
        axis.set_title(one.name, fontsize=10, parse_math=False)
        axis.set_xlabel("t-SNE", fontsize=8)
        return
    explained = " and ".join(f"{share:.0%}" for share in one.results["pca_explained"])
    axis.set_xlabel("\n".join([f"PCA ({explained} of the variance)", "", *_numbers(one.results)]), fontsize=8)


def _numbers(run: Mapping[str, Any]) -> list[str]:
    """Returns the numbers of a run: means over the folds, with their ranges."""
    shuffled = "undefined" if run["shuffled"] is None else _number(run["shuffled"]["mean"])
    return [
        f"silhouette {_spread(run['silhouette'], _number)}",
        f"of shuffled labels {shuffled}",
        f"nearest neighbour right: {_spread(run['neighbour'], '{:.0%}'.format)}",
    ]


def _number(value: float) -> str:
    """Returns two decimals, without the sign of a zero."""
    return f"{round(value, 2) + 0.0:.2f}"


def _spread(summary: Mapping[str, float] | None, form: Callable[[float], str]) -> str:
    if summary is None:
        return "undefined"
    return f"{form(summary['mean'])} ({form(summary['lowest'])} to {form(summary['highest'])})"

"""A finished run on labelled videos that had no part in it: no training, the same numbers."""

import csv
import io
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from dfuse_jax.data import subgroups
from dfuse_jax.evaluate import transfer
from dfuse_jax.evaluate.transfer import Videos
from dfuse_jax.experiments.predict import Trained
from dfuse_jax.report import transfer as report
from dfuse_jax.report.files import write_json, write_text
from dfuse_jax.report.page import write_page
from dfuse_jax.report.run.calibration import draw_calibration
from dfuse_jax.report.run.roc import draw_roc
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.samples import Sample

COLUMNS = ("subject", "video", "frames", "label", "probability", "low", "high")
BATCH = 64  # videos at once: it bounds the memory
MOST_NAMED = 5
FILES = ("predictions.csv", "calibration.png", "roc.png", "evaluation.md", "report.html", "evaluation.json")


def evaluate(
    trained: Trained,
    samples: Sequence[Sample],
    directory: str | os.PathLike,
    *,
    source: str,
    run: str | os.PathLike | None = None,
    drop_known: bool = False,
    data_directory: str | os.PathLike = "",
) -> dict[str, Any]:
    """Asks all models about labelled videos and writes FILES.

    Args:
        trained: the models.
        samples: labelled videos.
        directory: for the files; made if it is missing.
        source: what the videos are called in the report.
        run: the folder of the models' run, which tells whom they were trained on; None: nobody knows.
        drop_known: whether to leave out videos of subjects that they were trained on, instead of refusing them.
        data_directory: of the videos, where `data.subgroups` looks for a table of the subjects; empty: there is none.

    Returns:
        What evaluation.json holds.

    Raises:
        UserError: a sample has no label, subjects were trained on, or none are left.
    """
    videos = _videos(samples)
    training = None if run is None else _read_training(pathlib.Path(run))
    cautions = []
    if training is None:
        cautions.append("**Whom the models were trained on is unknown: their subjects may be among these.**")
    else:
        known = _known(videos, training)
        if known and not drop_known:
            raise UserError(
                f"{len(known)} of the {len(samples)} videos are of subjects that the models were trained on "
                f"({_listed([str(videos.subjects[v] or videos.names[v]) for v in known])}). If these are other people "
                "of the same name, name them otherwise.",
                remedy="drop_known",
            )
        if known:
            cautions.append(f"Left out: {len(known)} videos of subjects that the models were trained on.")
            dropped = set(known)
            samples = [sample for v, sample in enumerate(samples) if v not in dropped]
            videos = _videos(samples)
    if not samples:
        raise UserError(f"{source}: no video is left to evaluate.")
    batches = [samples[start : start + BATCH] for start in range(0, len(samples), BATCH)]
    predicted = [trained.system.predict(trained.fitted, trained.system.inputs(batch)) for batch in batches]
    probabilities = np.concatenate(predicted, axis=1)
    groups = subgroups.assign(samples, str(data_directory))
    evaluation = transfer.compute(videos, probabilities, training, groups)
    evaluation |= {"name": trained.name, "note": trained.note, "source": source, "cautions": cautions}
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    write_text(directory / "predictions.csv", _predictions(videos, probabilities))
    draw_calibration(directory / "calibration.png", evaluation | {"headline": source})
    auc = evaluation["scores"]["mean"]["auc"]
    draw_roc(directory / "roc.png", evaluation, auc, title=f"{trained.name}: {source}")
    text = report.markdown(evaluation)
    write_text(directory / "evaluation.md", text)
    write_page(directory / "report.html", text)
    write_json(directory / "evaluation.json", evaluation)
    return evaluation


def _videos(samples: Sequence[Sample]) -> Videos:
    without = [sample.name for sample in samples if sample.label is None]
    if without:
        raise UserError(f"{_listed(without)}: without a label, expected 1 (spontaneous) or 0 (posed).")
    return Videos(
        names=[sample.name for sample in samples],
        subjects=[sample.subject for sample in samples],
        labels=np.array([sample.label for sample in samples], int),
        frames=np.array([len(sample.landmarks) for sample in samples], int),
    )


def _read_training(run: pathlib.Path) -> Videos:
    """Returns the videos of a finished run, each of which some of its models were trained on."""
    path = run / "predictions.csv"
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = {row["video"]: row for row in csv.DictReader(file)}
        return Videos(
            names=list(rows),
            subjects=[row["subject"] for row in rows.values()],
            labels=np.array([int(row["label"]) for row in rows.values()]),
            frames=np.array([int(row["frames"]) for row in rows.values()]),
        )
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise UserError(
            f"{path}: cannot be read ({error}), so whom the models were trained on is unknown.", remedy="train_again"
        ) from error


def _known(videos: Videos, training: Videos) -> list[int]:
    """Returns the numbers of the videos whose subject, or who themselves, were in the run."""
    subjects, names = set(training.subjects), set(training.names)
    return [
        v
        for v, (name, subject) in enumerate(zip(videos.names, videos.subjects, strict=True))
        if name in names or subject in subjects
    ]


def _listed(names: Sequence[str]) -> str:
    """Returns the first few of the distinct names."""
    distinct = list(dict.fromkeys(names))
    more = f" and {len(distinct) - MOST_NAMED} more" if len(distinct) > MOST_NAMED else ""
    return ", ".join(distinct[:MOST_NAMED]) + more


def _predictions(videos: Videos, probabilities: np.ndarray) -> str:
    """Returns predictions.csv: a row a video, with the mean and the range over the models."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for v, name in enumerate(videos.names):
        of_video = probabilities[:, v].astype(float)
        spread = (repr(float(x)) for x in (of_video.mean(), of_video.min(), of_video.max()))
        writer.writerow((videos.subjects[v] or "", name, int(videos.frames[v]), int(videos.labels[v]), *spread))
    return text.getvalue()

"""The D-Markers of extracted videos as a table, a row a video."""

import csv
import os
import pathlib

import numpy as np

from dfuse_jax import dmarkers, samples
from dfuse_jax.extract import manifest
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.runtime.files import atomic, escaped

COLUMNS = ("name", "definition", "frames", "fps", *dmarkers.FEATURE_NAMES)


def write(out: str | os.PathLike, *, definition: str = "robust") -> pathlib.Path:
    """Writes <out>/dmarkers.csv: the 225 D-Markers of every video in <out>/manifest.json that was extracted.

    A video is taken as one smile, from its first frame to its last. Videos whose files cannot be read are left out.

    Args:
        out: the folder of the landmarks.
        definition: "robust" or "paper", as for `dmarkers.compute`.

    Returns:
        The path of the table.

    Raises:
        UserError: it cannot be written.
    """
    out = pathlib.Path(out)
    rows, points, aspects = [], [], []
    for name, entry in manifest.read(out).items():
        if "error" in entry:
            continue
        try:
            sample = samples.load(out / f"{name}.npz")
        except UserError:  # the contact sheet says so
            continue
        rows.append([escaped(name), definition, len(sample.landmarks), sample.fps])
        points.append(sample.landmarks[:, np.array(dmarkers.LANDMARKS)])
        aspects.append(sample.aspect)
    features = dmarkers.compute_batch(points, [row[-1] for row in rows], aspect=aspects, definition=definition)
    path = out / "dmarkers.csv"
    try:
        with atomic(path) as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for row, values in zip(rows, features, strict=True):
                writer.writerow([*row, *(f"{value:.7g}" for value in values)])
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}). The landmarks are there.") from error
    return path

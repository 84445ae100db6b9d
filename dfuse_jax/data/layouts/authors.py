"""The layout in which the authors publish landmarks, `npy/<video>.mp4.npy`, and folds, `labels/<fold>/*.json`."""

import dataclasses
import pathlib
from collections.abc import Iterable

import numpy as np

from dfuse_jax.data.databases import DATABASES, labels_from_names, parse_name
from dfuse_jax.data.dataset import Dataset
from dfuse_jax.data.file_names import check_encoding, normalized, visible
from dfuse_jax.data.layouts import splits
from dfuse_jax.data.layouts.landmark_files import read_array
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.samples import Sample, validate

SUFFIX = ".mp4.npy"


def missing(database: str, directory: str, problem: str) -> UserError:
    """Returns the error for a database that is not in its place: whom to ask for it, and where the files go."""
    place = directory or "DIR"
    return UserError(
        f"{database}: {problem}. The database is handed out by {DATABASES[database].owner} under an agreement. Put "
        f"landmarks into {place}/npy/<video>.mp4.npy (float [frames, 478, 3]) and folds into "
        f"{place}/labels/<fold>/train.json and test.json ({{video: 1 or 0}}), or build both from the videos.",
        remedy="database",
    )


def list_files(root: pathlib.Path) -> list[pathlib.Path]:
    """Returns the files that `read` reads."""
    return [*_landmark_files(root).values(), *splits.list_files(root)]


def read(root: pathlib.Path, database: str) -> Dataset:
    """Reads `npy/<video>.mp4.npy` and `labels/<fold>/{train,test}.json`.

    Args:
        root: holds `npy` and `labels`.
        database: a key of DATABASES.

    Returns:
        The samples by name, and the published folds by number; no folds if there is no `labels` and the videos' names
        give the labels (in all databases but MMI).

    Raises:
        UserError: something is missing or damaged, a video is tested twice or never, a subject is on both sides.
    """
    published = splits.read(root)
    paths = _landmark_files(root)
    if published:
        splits.check_labels(published, database)
        labels = splits.collect_labels(published)
        absent = sorted(labels.keys() - paths.keys())
        if absent:
            raise missing(
                database,
                str(root),
                f"{len(absent)} of {len(labels)} landmark files are missing, first "
                f"{root / 'npy' / absent[0]}{SUFFIX}{_other_files(root)}",
            )
    else:
        labels = _require_labels(paths, database, root)
    samples = [_read_sample(paths[video], video, labels[video], database) for video in sorted(labels)]
    notes = []
    extra = sorted(paths.keys() - labels.keys())
    if extra:
        notes.append(f"{len(extra)} landmark files are in no fold and left out, first {paths[extra[0]]}")
    return Dataset(samples, splits.to_folds(published, samples), tuple(notes))


def _landmark_files(root: pathlib.Path) -> dict[str, pathlib.Path]:
    """Returns {video: file}, the names of the videos in Unicode's composed form."""
    files = visible(root, f"npy/*{SUFFIX}")
    check_encoding(files)
    paths = {}
    for path in files:
        video = normalized(path.name.removesuffix(SUFFIX))
        if video in paths:
            raise UserError(f"{path}: another file has the same name in other Unicode characters. Rename one of them.")
        paths[video] = path
    return paths


def _require_labels(videos: Iterable[str], database: str, root: pathlib.Path) -> dict[str, int]:
    """Returns {video: label}; raises UserError if there are no videos, or a name gives no label."""
    if DATABASES[database].name_pattern is None:
        raise missing(database, str(root), f"no folds in {root / 'labels'}, and its videos' names give no labels")
    labels, unnamed = labels_from_names(database, videos)
    if unnamed:
        raise UserError(
            f"{root}: {unnamed[0]!r} is not a name of a {DATABASES[database].title} video, so it gives no label "
            f"({len(unnamed)} such). Rename it as its owners do, or move it out of the folder."
        )
    if not labels:
        raise missing(database, str(root), f"no landmarks in {root / 'npy'}{_other_files(root)}")
    return labels


def _other_files(root: pathlib.Path) -> str:
    """Describes files in the same folder with other suffixes, which may be misnamed; empty if there are none."""
    others = [path.name for path in visible(root, "npy/*") if not path.name.endswith(SUFFIX)]
    if not others:
        return ""
    return f" (there are {len(others)} files that do not end in {SUFFIX}, such as {others[0]})"


def _read_sample(path: pathlib.Path, video: str, label: int, database: str) -> Sample:
    landmarks = read_array(path)
    try:
        sample = validate(
            Sample(
                name=video,
                landmarks=landmarks,
                fps=DATABASES[database].fps[label],
                image_size=DATABASES[database].shown_size(label),
                label=label,
                subject=parse_name(database, video).subject,
            )
        )
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    return dataclasses.replace(sample, landmarks=landmarks.astype(np.float32))

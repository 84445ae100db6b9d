"""A folder of samples: `<name>.npz` each, made from a CSV table of one's own videos or files of landmarks."""

import dataclasses
import itertools
import pathlib
from collections.abc import Sequence

from tqdm import tqdm

from dfuse_jax import samples
from dfuse_jax.data.dataset import Dataset
from dfuse_jax.data.file_names import check_encoding, is_utf8, normalized, visible
from dfuse_jax.data.layouts import landmark_files, splits, tables
from dfuse_jax.data.layouts.tables import Row
from dfuse_jax.extract import flags
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.runtime.files import atomic, locked
from dfuse_jax.samples import OLD, Sample, is_old, load

TABLE = "samples.csv"  # lists the samples of the data set, with their labels


def make(table: pathlib.Path, out: pathlib.Path, *, chips: bool = False) -> dict[str, str]:
    """Writes a sample `<out>/<name>.npz` for every file of a table, and `<out>/samples.csv`.

    Videos are extracted, which goes on where it stopped; files of landmarks are converted, see `landmark_files.read`.

    Args:
        table: a CSV file, see `tables.read`.
        out: the folder; made if it does not exist.
        chips: whether the samples of videos hold chips too.

    Returns:
        {name: reason} of the files that cannot be samples and are left out.

    Raises:
        UserError: the table is not what it should be, the folder cannot be written, or nothing can be made.
    """
    rows = tables.read(table)
    if (out / TABLE).exists() and table.samefile(out / TABLE):
        raise UserError(f"{table}: is the table of the data set itself; give the table of the videos.")
    landmarks = [row for row in rows if landmark_files.is_one(row.path)]
    videos = [row for row in rows if not landmark_files.is_one(row.path)]
    try:
        made, failed = _convert(landmarks, out) if landmarks else ({}, {})
        if videos:
            extracted, not_extracted = _extract(videos, out, chips=chips)
            made, failed = made | extracted, failed | not_extracted
        if not made:
            raise UserError(f"{table}: no sample could be made: {'; '.join(failed.values())}")
        tables.write(out / TABLE, [row._replace(path=made[row.name]) for row in rows if row.name in made])
    except OSError as error:
        raise UserError(
            f"{out}: cannot be written ({error.strerror}). What is finished is kept; run again to go on from there."
        ) from error
    return failed


def _extract(rows: Sequence[Row], out: pathlib.Path, *, chips: bool) -> tuple[dict[str, pathlib.Path], dict[str, str]]:
    """Extracts videos; returns {name: sample's file}, and {name: reason} of those that cannot be."""
    from dfuse_jax.extract.batch import Job, extract_all

    failed = {row.name: reason for row in rows if (reason := _superfluous(row))}
    jobs = [
        Job(
            row.path,
            name=row.name,
            label=row.label,
            subject=row.subject,
            pixel_aspect=row.pixel_aspect,
            fps=row.fps,
            chips=chips,
        )
        for row in rows
        if row.name not in failed
    ]
    outcome = extract_all(jobs, out)
    return outcome.extracted, failed | outcome.failed


def _superfluous(row: Row) -> str | None:
    """Returns what is wrong with a line of a video that has columns for landmarks; None if it has not."""
    if row.image_size is None and row.units is None:
        return None
    return f"{row.path}: is a video, which knows its size: leave width, height and units empty in line {row.line}."


def _convert(rows: Sequence[Row], out: pathlib.Path) -> tuple[dict[str, pathlib.Path], dict[str, str]]:
    """Converts files of landmarks; returns {name: sample's file}, and {name: reason} of those that cannot be."""
    made, failed = {}, {}
    with locked(out):
        for row in tqdm(rows, "landmarks", leave=False, disable=None):
            path = out / f"{row.name}.npz"
            try:
                sample = landmark_files.read(row)
                # A sample's file stays as it is, with its record and format: samples.csv has its label and subject.
                is_sample = row.path.suffix.lower() == ".npz"
                content = row.path.read_bytes() if is_sample else samples.encode(sample)
                _check_target(row, sample, path)
            except UserError as error:
                failed[row.name] = str(error)
                continue
            with atomic(path, "wb") as file:
                file.write(content)
            made[row.name] = path
    return made, failed


def _check_target(row: Row, sample: Sample, path: pathlib.Path) -> None:
    """Raises UserError if a sample would take the place of one that was extracted from another video."""
    if not path.exists():
        return
    try:
        extracted = samples.load_record(path) is not None and load(path).source != sample.source
    except UserError:  # damaged
        extracted = False
    if extracted:
        raise UserError(
            f"{row.path}: {path} holds the landmarks of another video. Delete it, add a column `name`, or choose "
            "another folder."
        )


def list_files(root: pathlib.Path) -> list[pathlib.Path]:
    """Returns the files that `read` reads."""
    folds = splits.list_files(root)
    table = root / TABLE
    if not table.exists():
        return [*visible(root, "*.npz"), *folds]
    return [table, *(row.path for row in tables.read(table)), *folds]


def read(root: pathlib.Path) -> Dataset:
    """Reads a folder of samples: those in its samples.csv, with the labels there; without one all, with their own.

    Folds are read from `labels/<fold>/{train,test}.json` (see `splits.read`) if there are any.

    Raises:
        UserError: a sample is missing, damaged or without label; folds and samples do not hold the same videos.
    """
    members, notes = _read_samples(root)
    unlabelled = [sample.name for sample in members if sample.label is None]
    if unlabelled:
        raise UserError(
            f"{root}: {len(unlabelled)} samples have no label, first {unlabelled[0]}. Make the folder again from a CSV "
            "table of the videos with the columns path,label,subject: what is extracted is kept.",
            remedy="folder",
        )
    members.sort(key=lambda sample: sample.name)
    for one, other in itertools.pairwise(members):
        if one.name == other.name:
            raise UserError(f"{root}: two samples are named {one.name}.")
    published = splits.read(root)
    if published:
        _check_labels(root, splits.collect_labels(published), members)
    return Dataset(members, splits.to_folds(published, members), notes)


def _read_samples(root: pathlib.Path) -> tuple[list[Sample], tuple[str, ...]]:
    """Returns the samples, and what a user must know of those that an earlier version made, or that have no flags."""
    if (root / TABLE).exists():
        rows = tables.read(root / TABLE)
        paths = [row.path for row in rows]
        members = [
            dataclasses.replace(load(row.path), name=row.name, label=row.label, subject=row.subject) for row in rows
        ]
    else:
        paths = visible(root, "*.npz")
        check_encoding(paths)
        members = [_load_named(path) for path in paths]
    old = [is_old(path) for path in paths]
    unflagged = sum(sample.flags is None and not early for sample, early in zip(members, old, strict=True))
    notes = []
    if any(old):
        notes.append(f"{sum(old)} of {len(paths)} samples were {OLD}")
    if unflagged:
        notes.append(f"{unflagged} of {len(paths)} samples carry {flags.UNKNOWN}")
    return members, tuple(notes)


def _load_named(path: pathlib.Path) -> Sample:
    """Reads a sample that no table names."""
    sample = load(path)
    if not is_utf8(sample.name) or not is_utf8(sample.subject or ""):
        raise UserError(
            f"{path}: its name {sample.name!r} or its subject {sample.subject!r} is not valid UTF-8. Rename the "
            "video and extract it again."
        )
    return dataclasses.replace(sample, name=normalized(sample.name))


def _check_labels(root: pathlib.Path, labels: dict[str, int], members: list[Sample]) -> None:
    """Raises UserError if the folds do not name the same videos with the same labels as the samples."""
    own_labels = {sample.name: sample.label for sample in members}
    for video in sorted(labels.keys() ^ own_labels.keys()):
        place = "labels" if video in labels else "the samples"
        raise UserError(f"{root}: {video} is in {place} only.")
    for video, label in labels.items():
        if own_labels[video] != label:
            raise UserError(
                f"{root / 'labels'}: {video} has label {label} there and {own_labels[video]} in the samples."
            )

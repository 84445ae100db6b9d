"""A folder of samples: `<name>.npz` each, made from a CSV table of one's own videos."""

import dataclasses
import itertools
import pathlib

from dfuse_jax.data.dataset import Dataset
from dfuse_jax.data.file_names import check_encoding, is_utf8, normalized, visible
from dfuse_jax.data.layouts import splits, tables
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.samples import OLD, Sample, is_old, load

TABLE = "samples.csv"  # lists the samples of the data set, with their labels


def make(table: pathlib.Path, out: pathlib.Path) -> dict[str, str]:
    """Extracts the videos of a table into `<out>/<name>.npz` and writes `<out>/samples.csv`; goes on where it stopped.

    Args:
        table: a CSV file, see `tables.read`.
        out: the folder; made if it does not exist.

    Returns:
        {name: reason} of the videos that cannot be extracted and are left out.

    Raises:
        UserError: the table is not what it should be, the folder cannot be written, or no video can be extracted.
    """
    from dfuse_jax.extract.batch import Job, extract_all

    rows = tables.read(table)
    if (out / TABLE).exists() and table.samefile(out / TABLE):
        raise UserError(f"{table}: is the table of the data set itself; give the table of the videos.")
    jobs = [
        Job(row.path, name=row.name, label=row.label, subject=row.subject, pixel_aspect=row.pixel_aspect)
        for row in rows
    ]
    try:
        out.mkdir(parents=True, exist_ok=True)
        outcome = extract_all(jobs, out)
        if not outcome.extracted:
            raise UserError(f"{table}: no video could be extracted: {'; '.join(outcome.failed.values())}")
        extracted = [row._replace(path=outcome.extracted[row.name]) for row in rows if row.name in outcome.extracted]
        tables.write(out / TABLE, extracted)
    except OSError as error:
        raise UserError(
            f"{out}: cannot be written ({error.strerror}). What is extracted is kept; run again to go on from there."
        ) from error
    return outcome.failed


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
    samples, notes = _read_samples(root)
    unlabelled = [sample.name for sample in samples if sample.label is None]
    if unlabelled:
        raise UserError(
            f"{root}: {len(unlabelled)} samples have no label, first {unlabelled[0]}. Make the folder again from a CSV "
            "table of the videos with the columns path,label,subject: what is extracted is kept.",
            remedy="folder",
        )
    samples.sort(key=lambda sample: sample.name)
    for one, other in itertools.pairwise(samples):
        if one.name == other.name:
            raise UserError(f"{root}: two samples are named {one.name}.")
    published = splits.read(root)
    if published:
        _check_labels(root, splits.collect_labels(published), samples)
    return Dataset(samples, splits.to_folds(published, samples), notes)


def _read_samples(root: pathlib.Path) -> tuple[list[Sample], tuple[str, ...]]:
    """Returns the samples, and what a user must know of those that an earlier version made."""
    if (root / TABLE).exists():
        rows = tables.read(root / TABLE)
        paths = [row.path for row in rows]
        samples = [
            dataclasses.replace(load(row.path), name=row.name, label=row.label, subject=row.subject) for row in rows
        ]
    else:
        paths = visible(root, "*.npz")
        check_encoding(paths)
        samples = [_load_named(path) for path in paths]
    old = sum(is_old(path) for path in paths)
    return samples, ((f"{old} of {len(paths)} samples were {OLD}",) if old else ())


def _load_named(path: pathlib.Path) -> Sample:
    """Reads a sample that no table names."""
    sample = load(path)
    if not is_utf8(sample.name) or not is_utf8(sample.subject or ""):
        raise UserError(
            f"{path}: its name {sample.name!r} or its subject {sample.subject!r} is not valid UTF-8. Rename the "
            "video and extract it again."
        )
    return dataclasses.replace(sample, name=normalized(sample.name))


def _check_labels(root: pathlib.Path, labels: dict[str, int], samples: list[Sample]) -> None:
    """Raises UserError if the folds do not name the same videos with the same labels as the samples."""
    own_labels = {sample.name: sample.label for sample in samples}
    for video in sorted(labels.keys() ^ own_labels.keys()):
        place = "labels" if video in labels else "the samples"
        raise UserError(f"{root}: {video} is in {place} only.")
    for video, label in labels.items():
        if own_labels[video] != label:
            raise UserError(
                f"{root / 'labels'}: {video} has label {label} there and {own_labels[video]} in the samples."
            )

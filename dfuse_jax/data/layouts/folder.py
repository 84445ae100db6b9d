"""A folder of samples: `<name>.npz` each, made from a CSV table of one's own videos."""

import dataclasses
import itertools
import pathlib

from dfuse_jax import samples
from dfuse_jax.data.dataset import Dataset
from dfuse_jax.data.layouts import authors, tables
from dfuse_jax.runtime.errors import UserError

TABLE = "samples.csv"  # which samples the data set consists of, and their labels


def make(table: pathlib.Path, out: pathlib.Path, **options) -> dict[str, str]:
    """Extracts the videos of a table into `<out>/<name>.npz` and writes `<out>/samples.csv`; goes on where it stopped.

    Args:
        table: a CSV file, see `tables.read`.
        out: the folder; made if it is not there.
        options: of `extract.batch.extract_all`.

    Returns:
        {name: reason} of the videos that cannot be extracted and are left out.

    Raises:
        UserError: the table says what cannot be, or no video can be extracted.
    """
    from dfuse_jax.extract.batch import Job, extract_all

    rows = tables.read(table)
    if (out / TABLE).exists() and table.samefile(out / TABLE):
        raise UserError(f"{table}: is the table of the data set itself; give the table of the videos.")
    jobs = [Job(row.path, row.name, row.label, row.subject) for row in rows]
    try:
        out.mkdir(parents=True, exist_ok=True)
        extracted, failed = extract_all(jobs, out, **options)
        if not extracted:
            raise UserError(f"{table}: no video could be extracted: {'; '.join(failed.values())}")
        tables.write(out / TABLE, [row._replace(path=extracted[row.name]) for row in rows if row.name in extracted])
    except OSError as error:
        raise UserError(f"{out}: cannot be written ({error.strerror}). The same command goes on from there.") from error
    return failed


def sources(root: pathlib.Path) -> list[pathlib.Path]:
    """The files that `read` reads."""
    return [*root.glob("*.npz"), *root.glob(TABLE), *root.glob("labels/*/*.json")]


def read(root: pathlib.Path) -> Dataset:
    """Reads a folder of samples: those in its samples.csv, with the labels there; without one all, with their own.

    Folds are read from `labels/<fold>/{train,test}.json` (see `authors.read_splits`) if they are there.

    Raises:
        UserError: a sample is missing, damaged or without label; folds and samples do not hold the same videos.
    """
    if (root / TABLE).exists():
        rows = tables.read(root / TABLE)
        found = [
            dataclasses.replace(samples.load(row.path), name=row.name, label=row.label, subject=row.subject)
            for row in rows
        ]
    else:
        found = [samples.load(path) for path in sorted(root.glob("*.npz"))]
    unlabelled = [sample.name for sample in found if sample.label is None]
    if unlabelled:
        raise UserError(
            f"{root}: {len(unlabelled)} samples have no label, first {unlabelled[0]}. List the videos in a CSV file "
            f"(path,label,subject) and run python launch/dataset.py FILE.csv --out {root}: what is extracted is kept."
        )
    found.sort(key=lambda sample: sample.name)
    for one, other in itertools.pairwise(found):
        if one.name == other.name:
            raise UserError(f"{root}: two samples are named {one.name}.")
    splits = authors.read_splits(root)
    labels = authors.labels_of(splits)
    own = {sample.name: sample.label for sample in found}
    for video in sorted(labels.keys() ^ own.keys() if splits else ()):
        raise UserError(f"{root}: {video} is in {'labels' if video in labels else 'the samples'} only.")
    for video, label in labels.items():
        if own[video] != label:
            raise UserError(f"{root / 'labels'}: {video} has label {label} there and {own[video]} in the samples.")
    return Dataset(found, authors.to_folds(splits, found))

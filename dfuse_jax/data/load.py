"""Loads a data set: synthetic smiles, or files in one of three layouts."""

import functools
import os
import pathlib
from collections.abc import Callable

from dfuse_jax.data import cache, synthetic
from dfuse_jax.data.databases import DATABASES
from dfuse_jax.data.dataset import Dataset, describe, list_labels, list_subjects
from dfuse_jax.data.file_names import escaped
from dfuse_jax.data.folds import make_folds
from dfuse_jax.data.layouts import authors, folder, tfds
from dfuse_jax.runtime.errors import UserError

SOURCES = ("synthetic", "folder", *DATABASES)


def load_with_folds(
    source: str,
    *,
    directory: str | os.PathLike[str] = "",
    videos: int = 0,
    subjects: int = 0,
    num_folds: int,
    seed: int = 0,
    chips: bool = False,
    say: Callable[[str], None] = print,
) -> Dataset:
    """Loads or makes samples, makes folds where none come with them, and describes both in a few lines.

    Args:
        source: one of SOURCES.
        directory: where the files are, see `load_dataset`; unused for "synthetic".
        videos: the number of videos to make for "synthetic".
        subjects: the number of subjects to make for "synthetic".
        num_folds: the number of folds; those that come with the data must be as many.
        seed: determines the synthetic smiles and the folds that are made.
        chips: whether the samples must have chips.
        say: is called with each line of the description.

    Raises:
        UserError: files are missing or invalid, there are no chips, or there cannot be so many folds.
    """
    if source == "synthetic":
        dataset = Dataset(synthetic.generate(videos, subjects, seed=seed), [])
    else:
        dataset = load_dataset(directory, source)
    samples, folds = dataset.samples, dataset.folds
    without = [sample.name for sample in samples if sample.chip_source is None]
    if chips and without:
        raise UserError(
            f"{directory}: {len(without)} of {len(samples)} samples, first {without[0]}, have no pictures of the face "
            "(chips), which this system sees.",
            remedy="chips",
        )
    if folds and len(folds) != num_folds:
        raise UserError(f"{directory}: comes with {len(folds)} folds, not {num_folds}.", remedy="folds")
    if not folds:
        folds = make_folds(list_labels(samples), list_subjects(samples), num_folds, seed=seed)
    for line in (*describe(samples, folds).splitlines(), *dataset.notes):
        say(escaped(f"{source}: {line}"))
    return dataset._replace(folds=folds)


def load_dataset(directory: str | os.PathLike[str], source: str) -> Dataset:
    """Reads a data set from files, or from its cache if there is one.

    Args:
        directory: of a database: the authors' layout (`layouts.authors`), or a TFDS data set (`layouts.tfds`), also the
            data_dir of TFDS; of the source "folder": samples (`layouts.folder`).
        source: a key of DATABASES, or "folder".

    Raises:
        UserError: the files are missing or invalid.
    """
    name = os.fspath(directory)
    try:
        root = pathlib.Path(name).expanduser()
    except RuntimeError as error:  # the home of an unknown user
        raise UserError(f"no folder {name!r} ({error}).") from error
    if source == "folder":
        files = folder.list_files(root) if name else []
        if not files:
            raise UserError(f"no samples (.npz) in {name!r}.", remedy="folder")
        return cache.cached(root, files, source, functools.partial(folder.read, root))
    if source not in DATABASES:
        raise UserError(f"{source!r} is no source of files; expected folder, {', '.join(DATABASES)}.")
    if not name or not root.is_dir():
        raise authors.missing(source, name, f"no folder {name!r}" if name else "no folder given")
    built = tfds.find(root, source)
    if built is not None:
        return cache.cached(built, tfds.list_files(built), source, functools.partial(tfds.read, built))
    return cache.cached(root, authors.list_files(root), source, functools.partial(authors.read, root, source))

"""Where samples and folds come from: the embedded generator, or files in one of three layouts."""

import functools
import pathlib
from collections.abc import Callable
from typing import Any

from dfuse_jax.data import cache, synthetic
from dfuse_jax.data.databases import DATABASES
from dfuse_jax.data.dataset import Dataset, describe, subjects
from dfuse_jax.data.folds import Fold, make_folds
from dfuse_jax.data.layouts import authors, folder
from dfuse_jax.data.layouts import tfds as records
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.samples import Sample

__all__ = ["DATABASES", "SOURCES", "load", "read", "subjects"]

SOURCES = ("synthetic", "folder", *DATABASES)  # what config.data.source can be


def read(data: Any, cv: Any, seed: int, say: Callable[[str], None] = print) -> tuple[list[Sample], list[Fold]]:
    """The samples and folds that the config's `data` and `cv` sections ask for; says what they are in a few lines.

    Raises:
        UserError: files are missing, or say what cannot be.
    """
    if data.source == "synthetic":
        found = Dataset(synthetic.generate(data.videos, data.subjects, seed=seed), [])
    else:
        found = load(data.dir, data.source)
    samples, folds, notes = found
    if folds and len(folds) != cv.folds:
        raise UserError(f"{data.dir} comes with {len(folds)} folds: give --config.cv.folds={len(folds)}.")
    folds = folds or make_folds([s.label for s in samples], subjects(samples), cv.folds, seed=seed)
    for line in (*describe(samples, folds).splitlines(), *notes):
        say(f"{data.source}: {line}")
    return samples, folds


def load(directory: str, source: str) -> Dataset:
    """Reads a data set, from its cache if there is one.

    Args:
        directory: of a database: the published layout (`published`), or what `builders` built (`records`), also tfds'
            whole data_dir; of the source "folder": samples (`folder`).
        source: a key of DATABASES, or "folder".

    Raises:
        UserError: the files are missing, or say what cannot be.
    """
    root = pathlib.Path(directory).expanduser()
    if source == "folder":
        if not directory or not (files := folder.sources(root)):
            raise UserError(
                f"no samples (.npz) in {directory!r}. Make them from your videos, python launch/dataset.py videos.csv "
                "--out DIR, and give --config.data.dir=DIR."
            )
        return cache.cached(root, files, source, functools.partial(folder.read, root))
    if not directory or not root.is_dir():
        what = f"no folder {directory!r}" if directory else "no folder given"
        raise authors.missing(source, directory, what)
    if (built := records.find(root, source)) is not None:
        return cache.cached(built, records.sources(built), source, functools.partial(records.read, built, source))
    return cache.cached(root, authors.sources(root), source, functools.partial(authors.read, root, source))

"""Data sets that `builders` has built: array_record files, read with tensorflow-datasets and without TensorFlow."""

import json
import pathlib

import numpy as np

from dfuse_jax.data import folds
from dfuse_jax.data.dataset import Dataset
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.samples import Sample, validate


def require():
    """The module tensorflow_datasets; raises UserError that names the extra when it is not installed."""
    try:
        import tensorflow_datasets

        return tensorflow_datasets
    except ImportError as error:
        raise UserError(
            f'tensorflow_datasets cannot be imported ({error}). Install it: pip install -e ".[tfds]" in the checkout'
        ) from error


def find(root: pathlib.Path, name: str) -> pathlib.Path | None:
    """The newest version of the data set `name` in its own folder, its parent or tfds' data_dir; None if there is none.

    Raises:
        UserError: there is one of another database.
    """
    # Not tfds' incomplete.<...> folders, of builds that were killed.
    versions = [path for place in (root, root / name) for path in place.glob("[0-9]*.[0-9]*.[0-9]*")]
    found = [path for path in (root, *versions) if (path / "dataset_info.json").exists()]
    if not found:
        return None
    path = max(found, key=lambda path: [int(n) for n in path.name.split(".") if n.isdigit()])
    try:
        built = json.loads((path / "dataset_info.json").read_text())["name"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path / 'dataset_info.json'}: cannot be read ({error!r}). Build the data set again."
        ) from error
    if built != name:
        raise UserError(f"{path}: holds the data set {built}, not {name}.")
    return path


def sources(path: pathlib.Path) -> list[pathlib.Path]:
    """The files that `read` reads."""
    return [file for file in path.iterdir() if file.is_file()]


def read(path: pathlib.Path, name: str) -> Dataset:
    """Reads what a builder wrote.

    Args:
        path: a version's folder, which holds dataset_info.json.
        name: of the database.

    Returns:
        The samples by name, and the folds if they are the published ones (those that the builder made are not read:
        `make_folds` makes the same ones, or others if a config asks for them).

    Raises:
        UserError: tensorflow-datasets is not installed, files are missing or damaged, a sample or fold cannot be.
    """
    tfds = require()
    try:
        builder = tfds.builder_from_directory(path)
        parts = sorted(builder.info.splits, key=lambda split: int(split.removeprefix("fold_")))
        tested = [[_sample(record) for record in builder.as_data_source(split=part)] for part in parts]
        told = builder.info.metadata or {}
    except Exception as error:  # of kinds of its own, and of those of array_record and protobuf
        what = " ".join(str(error).split())
        raise UserError(f"{path}: cannot be read ({what}). Delete it and build it again.") from error
    samples = sorted((validate(sample) for part in tested for sample in part), key=lambda sample: sample.name)
    note = tuple(f"left out when it was built: {reason}" for reason in told.get("left_out", {}).values())
    if told.get("folds") != "published":
        return Dataset(samples, [], note)
    index = {sample.name: number for number, sample in enumerate(samples)}
    tests = [np.array(sorted(index[sample.name] for sample in part), int) for part in tested]
    found = [folds.Fold(np.setdiff1d(np.arange(len(samples)), test), test) for test in tests]
    folds.check(found, samples, [f"{path}: {part}" for part in parts])
    return Dataset(samples, found, note)


def _sample(record: dict) -> Sample:
    return Sample(
        name=record["name"].decode(),
        landmarks=record["landmarks"],
        fps=float(record["fps"]),
        image_size=tuple(int(n) for n in record["image_size"]),
        label=int(record["label"]),
        subject=record["subject"].decode() or None,
        interpolated=tuple(int(n) for n in record["interpolated"]),
    )

"""Data sets that `build.builders` has built: array_record files, read with tensorflow-datasets, without TensorFlow."""

import json
import pathlib
from types import ModuleType
from typing import Any

import numpy as np

from dfuse_jax.data import folds
from dfuse_jax.data.dataset import Dataset
from dfuse_jax.data.file_names import visible
from dfuse_jax.runtime import formats
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.samples import OLD, ChipFile, Sample, validate

FORMAT = 1  # of a data set, in its metadata; version 0.1 wrote none, and its data sets are read
CHIPS = "chips"  # folder of the samples' own files in a data set that has chips
INFO = "dataset_info.json"  # every version's folder has it


def require() -> ModuleType:
    """Returns the module tensorflow_datasets; raises UserError that names the extra if it is not installed."""
    try:
        import tensorflow_datasets

        return tensorflow_datasets
    except ImportError as error:
        raise UserError(
            f'tensorflow_datasets cannot be imported ({error}). Install it: pip install "dfuse_jax[tfds]"'
        ) from error


def find(root: pathlib.Path, database: str) -> pathlib.Path | None:
    """Returns the folder of the newest version of a data set, None if there is none.

    Args:
        root: the version's folder, the data set's folder, or the data_dir of TFDS.
        database: the name of the data set, a key of DATABASES.

    Raises:
        UserError: there is one of another database, or its description is damaged.
    """
    # The pattern excludes the folders incomplete.<...> of builds that were killed.
    versions = [path for folder in (root, root / database) for path in folder.glob("[0-9]*.[0-9]*.[0-9]*")]
    complete = [path for path in (root, *versions) if (path / INFO).exists()]
    if not complete:
        return None
    newest = max(complete, key=_version)
    try:
        name = json.loads((newest / INFO).read_text(encoding="utf-8"))["name"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{newest / INFO}: cannot be read ({error!r}). Build the data set again.") from error
    if name != database:
        raise UserError(f"{newest}: holds the data set {name}, not {database}.")
    return newest


def _version(path: pathlib.Path) -> list[int]:
    return [int(number) for number in path.name.split(".") if number.isdigit()]


def list_files(path: pathlib.Path) -> list[pathlib.Path]:
    """Returns the files that `read` reads."""
    return [file for file in visible(path, "*") if file.is_file()]


def read(path: pathlib.Path) -> Dataset:
    """Reads a data set that a builder wrote.

    Args:
        path: a version's folder, see `find`.

    Returns:
        The samples by name, and the folds if they are the published ones (those that the builder made are not read:
        `make_folds` makes the same ones, or others if another number is asked for).

    Raises:
        UserError: tensorflow-datasets is not installed, files are missing, damaged or of a later version, or a
            sample or fold is invalid.
    """
    tensorflow_datasets = require()
    try:
        builder = tensorflow_datasets.builder_from_directory(path)
        parts = sorted(builder.info.splits, key=lambda part: int(part.removeprefix("fold_")))
        metadata = builder.info.metadata or {}
        formats.refuse_later(path, metadata.get("format"), FORMAT)
        tested = [[_to_sample(record, path / CHIPS) for record in builder.as_data_source(part)] for part in parts]
    except UserError:
        raise
    except Exception as error:  # array_record and protobuf raise errors of many kinds
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: cannot be read ({reason}). Delete it and build it again.") from error
    samples = sorted((validate(sample) for part in tested for sample in part), key=lambda sample: sample.name)
    notes = tuple(f"left out when it was built: {reason}" for reason in metadata.get("left_out", {}).values())
    if metadata.get("format") is None:
        notes += (f"{OLD}, and build the data set again",)
    if metadata.get("folds") != "published":
        return Dataset(samples, [], notes)
    index = {sample.name: number for number, sample in enumerate(samples)}
    published = []
    for part in tested:
        test = np.array(sorted(index[sample.name] for sample in part), int)
        published.append(folds.Fold(train=np.setdiff1d(np.arange(len(samples)), test), test=test))
    folds.check(published, samples, [f"{path}: {part}" for part in parts])
    return Dataset(samples, published, notes)


def _to_sample(record: dict[str, Any], chips: pathlib.Path) -> Sample:
    """Returns the sample of a record; its chips are in this folder if there are any."""
    width, height = record["image_size"]
    flags = record.get("flags", ())
    name = record["name"].decode()
    file = chips / f"{name}.npz"
    return Sample(
        name=name,
        landmarks=record["landmarks"],
        fps=float(record["fps"]),
        image_size=(int(width), int(height)),
        label=int(record["label"]),
        subject=record["subject"].decode() or None,
        interpolated=tuple(int(frame) for frame in record["interpolated"]),
        flags=np.array(flags, np.uint16) if len(flags) else None,
        chip_source=ChipFile(file) if file.exists() else None,
    )

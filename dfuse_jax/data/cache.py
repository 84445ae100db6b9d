"""A data set is read and checked once; from then on its frames are mapped into memory from one file.

`<directory>/cache/<key>.f32` holds the landmarks of all frames of all samples, float32 [F, 478, 3] and nothing else,
and `<key>.json` the rest; chips stay in the samples' files, which it names. `key` is a fingerprint of the files that
were read (names, sizes, times of change), so that changed data are read anew. Each file is complete or absent, and the
frames are written first: a cache exists when its .json does.
"""

import dataclasses
import hashlib
import json
import math
import os
import pathlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float32

from dfuse_jax.constants import NUM_LANDMARKS
from dfuse_jax.data.dataset import Dataset
from dfuse_jax.data.folds import Fold
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.runtime.files import atomic
from dfuse_jax.samples import ChipFile, Sample

FORMAT = 6  # of the cache and of the checks on reading: a new number makes all caches anew


def cached(
    directory: str | os.PathLike[str],
    files: Iterable[str | os.PathLike[str]],
    source: str,
    read: Callable[[], Dataset],
) -> Dataset:
    """Returns what `read` returns, from the cache if the files have not changed since it was written.

    Args:
        directory: where the cache is; if it cannot be written, `read` is called every time, and a note says so.
        files: those that `read` reads.
        source: what they are read as, a key of DATABASES or "folder"; a part of the key.
        read: reads and checks the files.

    Returns:
        The data set. The landmarks of its samples are views of one array; from a cache they are read-only.

    Raises:
        UserError: a file cannot be read.
    """
    folder = pathlib.Path(directory) / "cache"
    key = fingerprint(directory, files, source)
    dataset = _load(folder, key)
    if dataset is not None:
        return dataset
    dataset = read()
    try:
        _save(folder, key, dataset)
    except OSError as error:  # a full disk, or a folder of another user: the data can be used all the same
        note = f"{folder}: no cache can be written ({error.strerror}): the next run reads everything anew"
        return dataset._replace(notes=(*dataset.notes, note))
    # The same arrays as in every later run; and the memory of the files that were read is free again.
    return _load(folder, key) or dataset


def folders(directory: str | os.PathLike[str]) -> list[pathlib.Path]:
    """Returns the folders of the caches of the data sets in a directory and beneath it; they may be deleted."""
    return sorted({path.parent for path in pathlib.Path(directory).rglob("cache/*.f32")})


def fingerprint(directory: str | os.PathLike[str], files: Iterable[str | os.PathLike[str]], source: str = "") -> str:
    """Returns a key that tells files apart by their names in the directory, their sizes and times of change.

    Raises:
        UserError: a file cannot be read.
    """
    content = [FORMAT, source]
    for path in sorted(os.fspath(file) for file in files):
        try:
            stat = os.stat(path)
        except OSError as error:  # such as a link to nowhere
            raise UserError(f"{path}: cannot be read ({error.strerror}).") from error
        content.append((os.path.relpath(path, directory), stat.st_size, stat.st_mtime_ns))
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def _save(folder: pathlib.Path, key: str, dataset: Dataset) -> None:
    folder.mkdir(exist_ok=True)
    with atomic(folder / f"{key}.f32", "wb") as file:
        for sample in dataset.samples:
            file.write(np.ascontiguousarray(sample.landmarks, np.float32))
    content = {
        "samples": [_to_json(sample, folder) for sample in dataset.samples],
        "folds": [{"train": fold.train.tolist(), "test": fold.test.tolist()} for fold in dataset.folds],
        "notes": dataset.notes,
    }
    with atomic(folder / f"{key}.json") as file:
        json.dump(content, file)
    for path in folder.iterdir():  # caches of files that have changed, and leftovers of writers that were killed
        if path.stem != key:
            path.unlink(missing_ok=True)


def _load(folder: pathlib.Path, key: str) -> Dataset | None:
    """Returns the cached data set, None if there is none or it is damaged."""
    try:
        content = json.loads((folder / f"{key}.json").read_text())
        lengths = [fields["landmarks"] for fields in content["samples"]]
        shape = (sum(lengths), NUM_LANDMARKS, 3)
        if (folder / f"{key}.f32").stat().st_size != 4 * math.prod(shape):
            return None
        frames = np.asarray(np.memmap(folder / f"{key}.f32", np.float32, "r", shape=shape))
        videos = np.split(frames, np.cumsum(lengths)[:-1])
        samples = [_from_json(fields, video, folder) for fields, video in zip(content["samples"], videos, strict=True)]
        folds = [
            Fold(train=np.array(fold["train"], int), test=np.array(fold["test"], int)) for fold in content["folds"]
        ]
        return Dataset(samples, folds, tuple(content["notes"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _to_json(sample: Sample, folder: pathlib.Path) -> dict[str, Any]:
    """Returns the fields of a sample as JSON has them: the number of frames for the landmarks, a path for the chips.

    Args:
        sample: what is cached.
        folder: of the cache, which paths are relative to.
    """
    fields = {field.name: getattr(sample, field.name) for field in dataclasses.fields(sample)}
    source = fields.pop("chip_source")
    chips = os.path.relpath(source.path, folder) if isinstance(source, ChipFile) else None
    flags = None if sample.flags is None else sample.flags.tolist()
    return fields | {"landmarks": len(sample.landmarks), "flags": flags, "chips": chips}


def _from_json(
    fields: Mapping[str, Any], landmarks: Float32[np.ndarray, "frames 478 3"], folder: pathlib.Path
) -> Sample:
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()
    }
    chips = values.pop("chips")
    flags = None if fields["flags"] is None else np.array(fields["flags"], np.uint16)
    source = None if chips is None else ChipFile(folder / chips)
    return Sample(**values | {"landmarks": landmarks, "flags": flags, "chip_source": source})

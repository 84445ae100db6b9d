"""A data set is read and checked once; from then on its frames are mapped into memory from one file.

`<directory>/cache/<key>.f32` holds the landmarks of all frames of all samples, float32 [F, 478, 3] and nothing else,
and `<key>.json` the rest. `key` is a fingerprint of the files that were read (names, sizes, times of change), so that
changed data are read anew. Each file is whole or not there, the frames first: a cache is there when its .json is.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
from collections.abc import Callable, Iterable

import numpy as np

from dfuse_jax.data.dataset import Dataset
from dfuse_jax.data.folds import Fold
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.runtime.files import atomic
from dfuse_jax.samples import NUM_LANDMARKS, Sample

FORMAT = 1  # of what is cached and of how it is read: another number makes all caches anew


def cached(
    directory: str | os.PathLike, sources: Iterable[str | os.PathLike], what: str, make: Callable[[], Dataset]
) -> Dataset:
    """What `make` returns, from the cache if the sources have not changed since it was made.

    Args:
        directory: in which the cache is; where it cannot be written, `make` is called every time, and a note says so.
        sources: the files that `make` reads.
        what: what they are read as: a part of the key.
        make: reads and checks them.

    Returns:
        The data set; its `landmarks` are views of one array, from the cache read-only ones of the file.
    """
    folder = pathlib.Path(directory) / "cache"
    key = fingerprint(directory, sources, what)
    if (found := _load(folder, key)) is not None:
        return found
    dataset = make()
    try:
        _save(folder, key, dataset)
    except OSError as error:  # a full disk, a folder of somebody else's: the data are read all the same
        note = f"{folder}: no cache can be written ({error.strerror}): the next run reads everything anew"
        return dataset._replace(note=(*dataset.note, note))
    # The same arrays as in every later run, and the memory of the files that were read is free again.
    return _load(folder, key) or dataset


def fingerprint(directory: str | os.PathLike, sources: Iterable[str | os.PathLike], what: str = "") -> str:
    """Tells sources apart by their names in the directory, sizes and times of change."""
    told = [FORMAT, what]
    for path in sorted(map(os.fspath, sources)):
        try:
            stat = os.stat(path)
        except OSError as error:  # a link to nowhere
            raise UserError(f"{path}: cannot be read ({error.strerror}).") from error
        told.append((os.path.relpath(path, directory), stat.st_size, stat.st_mtime_ns))
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]


def _save(folder: pathlib.Path, key: str, dataset: Dataset) -> None:
    folder.mkdir(exist_ok=True)
    with atomic(folder / f"{key}.f32", "wb") as file:
        for sample in dataset.samples:
            file.write(np.ascontiguousarray(sample.landmarks, np.float32))
    told = {
        "samples": [_told(sample) for sample in dataset.samples],
        "folds": [[fold.train.tolist(), fold.test.tolist()] for fold in dataset.folds],
        "note": dataset.note,
    }
    with atomic(folder / f"{key}.json") as file:
        json.dump(told, file)
    for path in folder.iterdir():  # of sources that have changed, or of writers that were killed
        if path.stem != key:
            path.unlink(missing_ok=True)


def _told(sample: Sample) -> dict:
    fields = {field.name: getattr(sample, field.name) for field in dataclasses.fields(sample)}
    return fields | {"landmarks": len(sample.landmarks)}


def _load(folder: pathlib.Path, key: str) -> Dataset | None:
    """The cached data set; None if there is none, or it is damaged."""
    try:
        told = json.loads((folder / f"{key}.json").read_text())
        lengths = [fields["landmarks"] for fields in told["samples"]]
        shape = (sum(lengths), NUM_LANDMARKS, 3)
        if (folder / f"{key}.f32").stat().st_size != 4 * np.prod(shape):
            return None
        frames = np.asarray(np.memmap(folder / f"{key}.f32", np.float32, "r", shape=shape))
        parts = np.split(frames, np.cumsum(lengths)[:-1])
        samples = [Sample(**_fields(fields, part)) for fields, part in zip(told["samples"], parts, strict=True)]
        folds = [Fold(np.array(train, int), np.array(test, int)) for train, test in told["folds"]]
        return Dataset(samples, folds, tuple(told["note"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _fields(fields: dict, landmarks: np.ndarray) -> dict:
    """A sample's fields from JSON, which knows no tuples."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()} | {"landmarks": landmarks}

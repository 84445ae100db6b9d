"""Folds in files as the authors publish them: `labels/<fold>/{train,test}.json`, {video name: label}."""

import json
import pathlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from dfuse_jax.data import folds
from dfuse_jax.data.databases import parse_name
from dfuse_jax.data.file_names import check_encoding, normalized, visible
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.samples import Sample


class Split(NamedTuple):
    """A fold as its files have it: the folder, and {video: label} of train.json and of test.json."""

    path: pathlib.Path
    train: dict[str, int]
    test: dict[str, int]


def list_files(root: pathlib.Path) -> list[pathlib.Path]:
    """Returns the files that `read` reads."""
    return visible(root, "labels/*/*.json")


def read(root: pathlib.Path) -> list[Split]:
    """Reads the folds in `labels/<fold>/{train,test}.json`, sorted by number; there are none without `labels`.

    The names of the videos are in Unicode's composed form, whichever form the files have.

    Raises:
        UserError: a file is missing or not what it should be, a fold has no videos, a video is tested twice or never,
            or has two labels.
    """
    paths = [path for path in visible(root, "labels/*") if path.is_dir()]
    check_encoding(paths)
    paths.sort(key=lambda path: (len(path.name), path.name))
    splits = [
        Split(path=path, train=_read_labels(path / "train.json"), test=_read_labels(path / "test.json"))
        for path in paths
    ]
    labels = {}
    for split in splits:
        labels.update(split.train)
        labels.update(split.test)
    tested: dict[str, pathlib.Path] = {}
    for split in splits:
        if not split.train or not split.test:
            raise UserError(f"{split.path}: train.json or test.json names no video.")
        for video, label in (*split.train.items(), *split.test.items()):
            if label != labels[video]:
                raise UserError(f"{split.path}: {video} has label {label} here and {labels[video]} in another fold.")
        for video in split.test:
            if video in tested or video in split.train:
                other = tested.get(video, split.path / "train.json")
                raise UserError(f"{split.path}: {video} is tested here and also in {other}.")
            tested[video] = split.path
    untested = sorted(labels.keys() - tested.keys())
    if untested:
        raise UserError(f"{root / 'labels'}: {len(untested)} videos are in no test.json, first {untested[0]}.")
    return splits


def collect_labels(splits: Iterable[Split]) -> dict[str, int]:
    """Returns {video: label} of all videos."""
    return {video: label for split in splits for video, label in split.test.items()}


def check_labels(splits: Iterable[Split], database: str) -> None:
    """Raises UserError if a video has another label in the files than in its name."""
    for split in splits:
        for video, label in split.test.items():
            if parse_name(database, video).label not in (None, label):
                raise UserError(f"{split.path / 'test.json'}: {video} has label {label}, but its name says otherwise.")


def to_folds(splits: Sequence[Split], samples: Sequence[Sample]) -> list[folds.Fold]:
    """Returns the folds as sorted indices into `samples`, without the videos that are not among them.

    Raises:
        UserError: as `folds.check`.
    """
    index = {normalized(sample.name): number for number, sample in enumerate(samples)}
    made = [folds.Fold(train=_indices(split.train, index), test=_indices(split.test, index)) for split in splits]
    folds.check(made, samples, [str(split.path) for split in splits])
    return made


def _indices(videos: Iterable[str], index: dict[str, int]) -> Int[np.ndarray, " videos"]:
    return np.array(sorted(index[video] for video in videos if video in index), int)


def _read_labels(path: pathlib.Path) -> dict[str, int]:
    if not path.exists():
        raise UserError(f"{path.parent}: has no {path.name}.")
    try:
        # A dictionary would hide names that occur twice.
        pairs = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=tuple)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as JSON ({error}).") from error
    except RecursionError as error:
        raise UserError(f"{path}: cannot be read as JSON (nested too deeply).") from error
    if not isinstance(pairs, tuple) or any(label not in (0, 1) for _, label in pairs):
        raise UserError(f"{path}: expected {{video name: 1 (spontaneous) or 0 (posed)}}.")
    labels = {}
    for name, label in pairs:
        video = normalized(name)
        if video in labels:
            raise UserError(f"{path}: {video} is named twice.")
        labels[video] = int(label)
    return labels

"""The layout in which the authors publish landmarks, `npy/<video>.mp4.npy`, and folds, `labels/<fold>/*.json`."""

import json
import pathlib
import tokenize
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from dfuse_jax.data import folds
from dfuse_jax.data.databases import DATABASES, told
from dfuse_jax.data.dataset import Dataset
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.samples import Sample, validate

SUFFIX = ".mp4.npy"


class Split(NamedTuple):
    """A published fold: its folder, and {video: label} of train.json and test.json."""

    path: pathlib.Path
    train: dict[str, int]
    test: dict[str, int]


def missing(name: str, directory: str, what: str) -> UserError:
    """The error for a database that is not where it should be: whom to ask, and where the files go."""
    place = directory or "DIR"
    return UserError(
        f"{name}: {what}. The database is handed out by {DATABASES[name].owner} under an agreement. Put landmarks into "
        f"{place}/npy/<video>.mp4.npy (float [frames, 478, 3]) and folds into {place}/labels/<fold>/train.json and "
        f"test.json ({{video: 1 or 0}}), or build both from the videos (python launch/build.py {name}), "
        f"and give --config.data.dir={place}."
    )


def sources(root: pathlib.Path) -> list[pathlib.Path]:
    """The files that `read` reads."""
    return [*root.glob(f"npy/*{SUFFIX}"), *root.glob("labels/*/*.json")]


def read(root: pathlib.Path, name: str) -> Dataset:
    """Reads `npy/<video>.mp4.npy` and `labels/<fold>/{train,test}.json`.

    Args:
        root: holds `npy` and `labels`.
        name: of the database, a key of DATABASES.

    Returns:
        The samples by name, and the published folds by number; no folds if there is no `labels` and the videos' names
        tell the labels (all databases but MMI).

    Raises:
        UserError: something is missing or damaged, a video is tested twice or never, a subject is on both sides.
    """
    splits = read_splits(root)
    paths = {path.name.removesuffix(SUFFIX): path for path in root.glob(f"npy/*{SUFFIX}")}
    if splits:
        labels = labels_of(splits, name)
        if absent := [root / "npy" / f"{video}{SUFFIX}" for video in sorted(labels) if video not in paths]:
            others = _others(root)
            raise missing(
                name,
                str(root),
                f"{len(absent)} of {len(labels)} landmark files are missing, first {absent[0]}{others}",
            )
    else:
        labels = labels_by_name(paths, name, root)
    extra = sorted(paths.keys() - labels.keys())
    note = (f"{len(extra)} landmark files are in no fold and left out, first {paths[extra[0]]}",) if extra else ()
    samples = [_sample(name, paths[video], video, labels[video]) for video in sorted(labels)]
    return Dataset(samples, to_folds(splits, samples), note)


def labels_by_name(videos: Iterable[str], name: str, root: pathlib.Path) -> dict[str, int]:
    """Labels that the videos' names tell; raises UserError if there are no videos, or one's name does not tell."""
    if DATABASES[name].name is None:
        raise missing(name, str(root), f"no folds in {root / 'labels'}, and its videos' names tell no labels")
    if not (videos := sorted(videos)):
        raise missing(name, str(root), f"no landmarks in {root / 'npy'}{_others(root)}")
    if strange := [video for video in videos if told(name, video).label is None]:
        raise UserError(
            f"{root}: {strange[0]!r} is not a name of a {DATABASES[name].title} video, so it tells no label "
            f"({len(strange)} such). Rename it as its owners do, or move it out of the folder."
        )
    return {video: told(name, video).label for video in videos}


def _others(root: pathlib.Path) -> str:
    """Says so if files with other suffixes lie where landmark files are looked for."""
    strange = [p.name for p in sorted(root.glob("npy/*")) if not p.name.endswith(SUFFIX)]
    return f" (there are {len(strange)} files that do not end in {SUFFIX}, such as {strange[0]})" if strange else ""


def _sample(name: str, path: pathlib.Path, video: str, label: int) -> Sample:
    try:
        landmarks = np.asarray(np.load(path, allow_pickle=False), np.float32)
    except (OSError, ValueError, TypeError, EOFError, tokenize.TokenError) as error:  # the last: of a damaged header
        raise UserError(f"{path}: cannot be read as a NumPy array of numbers ({error}). Copy it again.") from error
    database, subject = DATABASES[name], told(name, video).subject
    try:
        return validate(Sample(video, landmarks, database.fps[label], database.image_size[label], label, subject))
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def read_splits(root: pathlib.Path) -> list[Split]:
    """The folds in `labels/<fold>/{train,test}.json` by number; none without `labels`.

    Raises:
        UserError: a file is missing or not what it should be, a fold has no videos, a video is tested twice or never,
            or has two labels.
    """
    paths = sorted((p for p in root.glob("labels/*") if p.is_dir()), key=lambda path: (len(path.name), path.name))
    splits = [Split(path, _labels(path / "train.json"), _labels(path / "test.json")) for path in paths]
    labels = {video: label for split in splits for part in split[1:] for video, label in part.items()}
    tested: dict[str, pathlib.Path] = {}
    for path, train, test in splits:
        if not train or not test:
            raise UserError(f"{path}: train.json or test.json names no video.")
        for video, label in (*train.items(), *test.items()):
            if labels[video] != label:
                raise UserError(f"{path}: {video} has label {label} here and {labels[video]} in another fold.")
        for video in test:
            if video in tested or video in train:
                raise UserError(f"{path}: {video} is tested here and also in {tested.get(video, path / 'train.json')}.")
            tested[video] = path
    if untested := sorted(labels.keys() - tested.keys()):
        raise UserError(f"{root / 'labels'}: {len(untested)} videos are in no test.json, first {untested[0]}.")
    return splits


def labels_of(splits: Sequence[Split], name: str | None = None) -> dict[str, int]:
    """{video: label} of folds; raises UserError if a video's name says otherwise in the database `name`."""
    labels = {video: label for split in splits for video, label in split.test.items()}
    for split in splits if name else ():
        for video, label in split.test.items():
            if told(name, video).label not in (None, label):
                raise UserError(f"{split.path / 'test.json'}: {video} has label {label}, but its name says otherwise.")
    return labels


def to_folds(splits: Sequence[Split], samples: Sequence[Sample]) -> list[folds.Fold]:
    """The folds as indices into `samples`, of those videos that are there; raises UserError as `folds.check` does."""
    index = {sample.name: number for number, sample in enumerate(samples)}
    found = [folds.Fold(*(_indices(part, index) for part in split[1:])) for split in splits]
    folds.check(found, samples, [str(split.path) for split in splits])
    return found


def _indices(part: dict[str, int], index: dict[str, int]) -> np.ndarray:
    return np.array(sorted(index[video] for video in part if video in index), int)  # whatever their order in the file


def _labels(path: pathlib.Path) -> dict[str, int]:
    try:
        pairs = json.loads(path.read_text(), object_pairs_hook=tuple)  # a dict would hide names that are there twice
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as JSON ({error}).") from error
    if not isinstance(pairs, tuple) or any(label not in (0, 1) for _, label in pairs):
        raise UserError(f"{path}: expected {{video name: 1 (spontaneous) or 0 (posed)}}.")
    labels = {name: int(label) for name, label in pairs}
    if len(labels) < len(pairs):
        names = [name for name, _ in pairs]
        raise UserError(f"{path}: {next(name for name in names if names.count(name) > 1)} is named twice.")
    return labels

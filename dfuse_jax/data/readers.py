"""Where samples and folds come from: the embedded generator, or the layout in which the authors publish landmarks."""

import json
import pathlib
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from dfuse_jax.data import synthetic
from dfuse_jax.data.folds import Fold, make_folds
from dfuse_jax.data.samples import Sample, validate
from dfuse_jax.errors import UserError


class Database(NamedTuple):
    """What a database's landmark files do not say."""

    folds: int
    image_size: dict[int, tuple[int, int]]  # by label
    fps: dict[int, float]  # by label
    subject: str | None  # pattern of a video's name whose first group is the subject; None: names do not tell
    spontaneous: str | None  # pattern of a spontaneous smile's name; None: names do not tell
    owner: str


DATABASES = {
    "uva_nemo": Database(
        folds=10,
        image_size={0: (1920, 1080), 1: (1920, 1080)},
        fps={0: 50, 1: 50},
        subject=r"(\d+)_",
        spontaneous=r"\d+_spontaneous_",
        owner="the UvA-NEMO team",
    ),
    "mmi": Database(
        folds=9,
        image_size={0: (720, 576), 1: (640, 480)},
        fps={0: 25, 1: 29},
        subject=None,
        spontaneous=None,
        owner="the MMI Facial Expression Database",
    ),
    "spos": Database(
        folds=7,
        image_size={0: (640, 480), 1: (640, 480)},
        fps={0: 25, 1: 25},
        subject=r"[^_]*_([^-]+)-",
        spontaneous="spontaneous",
        owner="CMVS, University of Oulu",
    ),
    "bbc": Database(
        folds=10,
        image_size={0: (314, 286), 1: (314, 286)},
        fps={0: 25, 1: 25},
        subject=r"(.+)",
        spontaneous="Genuine",
        owner="the BBC (Spot The Fake Smile)",
    ),
}


def read(data: Any, cv: Any, seed: int) -> tuple[list[Sample], list[Fold]]:
    """The samples and folds that the config's `data` and `cv` sections ask for.

    Raises:
        UserError: files are missing, or say what cannot be.
    """
    if data.source == "synthetic":
        samples = synthetic.generate(data.videos, data.subjects, seed=seed)
    else:
        samples, folds = read_published(data.dir, data.source)
        if folds:
            if len(folds) != cv.folds:
                raise UserError(f"{data.dir}/labels has {len(folds)} folds: give --config.cv.folds={len(folds)}.")
            return samples, folds
    return samples, make_folds([s.label for s in samples], subjects(samples), cv.folds, seed=seed)


def subjects(samples: Sequence[Sample]) -> list[str]:
    """Who smiles in each video; a video whose subject is unknown counts as somebody of its own."""
    return [s.name if s.subject is None else s.subject for s in samples]


def _missing(name: str, directory: str, what: str) -> UserError:
    place = directory or "DIR"
    return UserError(
        f"{name}: {what}. The database is handed out by {DATABASES[name].owner} under an agreement. Put landmarks into "
        f"{place}/npy/<video>.mp4.npy (float [frames, 478, 3]) and folds into {place}/labels/<fold>/train.json and "
        f"test.json ({{video: 1 or 0}}), and give --config.data.dir={place}."
    )


def _json(path: pathlib.Path) -> dict[str, int]:
    try:
        labels = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as JSON ({error}).") from error
    if not isinstance(labels, dict) or any(label not in (0, 1) for label in labels.values()):
        raise UserError(f"{path}: expected {{video name: 1 (spontaneous) or 0 (posed)}}.")
    return {name: int(label) for name, label in labels.items()}


def _sample(database: Database, path: pathlib.Path, name: str, label: int) -> Sample:
    try:
        landmarks = np.asarray(np.load(path, allow_pickle=False), np.float32)
    except (OSError, ValueError, TypeError, EOFError) as error:
        raise UserError(f"{path}: cannot be read as a NumPy array of numbers ({error}).") from error
    match = re.match(database.subject, name) if database.subject else None
    sample = Sample(
        name=name,
        landmarks=landmarks,
        fps=database.fps[label],
        image_size=database.image_size[label],
        label=label,
        subject=match[1] if match else None,
    )
    return validate(sample)


def read_published(directory: str, name: str) -> tuple[list[Sample], list[Fold]]:
    """Reads `npy/<video>.mp4.npy` and `labels/<fold>/{train,test}.json`.

    Args:
        directory: holds `npy` and `labels`.
        name: of the database, a key of DATABASES.

    Returns:
        The samples by name, and the published folds by number; no folds if there is no `labels` and the videos' names
        tell the labels (all databases but MMI).

    Raises:
        UserError: something is missing, a video is tested twice or never, a subject is on both sides.
    """
    root = pathlib.Path(directory)
    if not directory or not root.is_dir():
        raise _missing(name, directory, f"no folder {directory!r}" if directory else "no folder given")
    parts = sorted((p for p in root.glob("labels/*") if p.is_dir()), key=lambda path: (len(path.name), path.name))
    if not parts:
        labels = _labels_by_name(root, name)
        videos = sorted(labels)
        return [_sample(DATABASES[name], _npy(root, video), video, labels[video]) for video in videos], []
    splits = [(_json(path / "train.json"), _json(path / "test.json")) for path in parts]
    labels = {video: label for split in splits for part in split for video, label in part.items()}
    _check(splits, labels, parts)
    videos = sorted(labels)
    if absent := [path for video in videos if not (path := _npy(root, video)).is_file()]:
        raise _missing(name, directory, f"{len(absent)} of {len(videos)} landmark files are missing, first {absent[0]}")
    samples = [_sample(DATABASES[name], _npy(root, video), video, labels[video]) for video in videos]
    index = {video: number for number, video in enumerate(videos)}
    folds = [Fold(*(np.array([index[video] for video in part]) for part in split)) for split in splits]
    for path, fold in zip(parts, folds, strict=True):
        sides = [set(subjects([samples[i] for i in part])) for part in (fold.train, fold.test)]
        if both := sorted(sides[0] & sides[1]):
            raise UserError(f"{path}: subject {both[0]} is in both train.json and test.json ({len(both)} such).")
    return samples, folds


def _npy(root: pathlib.Path, video: str) -> pathlib.Path:
    return root / "npy" / f"{video}.mp4.npy"


def _labels_by_name(root: pathlib.Path, name: str) -> dict[str, int]:
    """Labels of the landmark files that are there, from their names."""
    videos = [path.name.removesuffix(".mp4.npy") for path in root.glob("npy/*.mp4.npy")]
    pattern = DATABASES[name].spontaneous
    if not videos or pattern is None:
        raise _missing(
            name, str(root), f"no landmarks in {root / 'npy'}" if pattern else f"no folds in {root / 'labels'}"
        )
    return {video: int(bool(re.match(pattern, video))) for video in videos}


def _check(splits, labels: dict[str, int], parts: list[pathlib.Path]) -> None:
    tested: dict[str, pathlib.Path] = {}
    for path, (train, test) in zip(parts, splits, strict=True):
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
        raise UserError(f"{parts[0].parent}: {len(untested)} videos are in no test.json, first {untested[0]}.")

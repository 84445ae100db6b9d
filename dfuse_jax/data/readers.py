"""Where samples and folds come from: the embedded generator, or the layout in which the authors publish landmarks."""

import json
import pathlib
import re
from typing import Any, NamedTuple

import numpy as np

from dfuse_jax.data import synthetic
from dfuse_jax.data.folds import Fold, make_folds
from dfuse_jax.data.samples import Sample, validate
from dfuse_jax.errors import UserError


class Database(NamedTuple):
    """What a database's landmark files do not say (spec section 7)."""

    folds: int
    image_size: dict[int, tuple[int, int]]  # by label
    fps: dict[int, float]  # by label
    subject: str  # pattern of a video's name whose first group names the subject
    owner: str


DATABASES = {
    "uva_nemo": Database(10, {0: (1920, 1080), 1: (1920, 1080)}, {0: 50, 1: 50}, r"(\d+)_", "the UvA-NEMO team"),
    "mmi": Database(9, {0: (720, 576), 1: (640, 480)}, {0: 25, 1: 29}, r"(.+)", "the MMI Facial Expression Database"),
    "spos": Database(7, {0: (640, 480), 1: (640, 480)}, {0: 25, 1: 25}, r"[^_]*_([^-]+)-", "CMVS, University of Oulu"),
    "bbc": Database(10, {0: (314, 286), 1: (314, 286)}, {0: 25, 1: 25}, r"(.+)", "the BBC (Spot The Fake Smile)"),
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
            return samples, folds
    labels, subjects = [s.label for s in samples], [s.subject for s in samples]
    return samples, make_folds(labels, subjects, cv.folds, seed=seed)


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
        landmarks = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path}: cannot be read as a NumPy array ({error}).") from error
    match = re.match(database.subject, name)
    sample = Sample(
        name=name,
        landmarks=np.asarray(landmarks, np.float32),
        fps=database.fps[label],
        image_size=database.image_size[label],
        label=label,
        subject=match[1] if match else name,
    )
    return validate(sample)


def read_published(directory: str, name: str) -> tuple[list[Sample], list[Fold]]:
    """Reads `npy/<video>.mp4.npy` and `labels/<fold>/{train,test}.json` (spec section 7).

    Args:
        directory: holds `npy` and `labels`.
        name: of the database, a key of DATABASES.

    Returns:
        The samples by name, and the published folds by number.

    Raises:
        UserError: something is missing, a video is tested twice or never, a subject is on both sides.
    """
    root = pathlib.Path(directory)
    if not directory or not root.is_dir():
        raise _missing(name, directory, f"no folder {directory!r}" if directory else "no folder given")
    parts = [path for path in root.glob("labels/*") if path.is_dir()]
    if not parts:
        raise _missing(name, directory, f"no folds in {root / 'labels'}")
    parts.sort(key=lambda path: (len(path.name), path.name))
    splits = [(_json(path / "train.json"), _json(path / "test.json")) for path in parts]
    labels = {video: label for split in splits for part in split for video, label in part.items()}
    _check(splits, labels, parts)
    videos = sorted(labels)
    paths = {video: root / "npy" / f"{video}.mp4.npy" for video in videos}
    if absent := [path for path in paths.values() if not path.is_file()]:
        raise _missing(name, directory, f"{len(absent)} of {len(videos)} landmark files are missing, first {absent[0]}")
    samples = [_sample(DATABASES[name], paths[video], video, labels[video]) for video in videos]
    index = {video: number for number, video in enumerate(videos)}
    folds = [Fold(*(np.array([index[video] for video in part]) for part in split)) for split in splits]
    for path, fold in zip(parts, folds, strict=True):
        subjects = [{samples[i].subject for i in part} for part in (fold.train, fold.test)]
        if both := sorted(subjects[0] & subjects[1]):
            raise UserError(f"{path}: subject {both[0]} is in both train.json and test.json ({len(both)} such).")
    return samples, folds


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

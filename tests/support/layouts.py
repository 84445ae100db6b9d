"""Writes data sets in the layouts that are read: the authors' files, and folders of samples."""

import json

import numpy as np

from dfuse_jax import samples
from dfuse_jax.samples import Sample

NAMES = {
    "001_deliberate_smile_1": 0,
    "001_spontaneous_smile_2": 1,
    "002_deliberate_smile_1": 0,
    "002_spontaneous_smile_2": 1,
    "003_spontaneous_smile_1": 1,
}
BY_SUBJECT = [[name for name in NAMES if name.startswith(subject)] for subject in ("001", "002", "003")]
LINES = [("a.npz", "posed", "x"), ("b.npz", "1", "y"), ("c.npz", "Spontaneous", "")]


def make_sample(**changes) -> Sample:
    landmarks = np.random.default_rng(0).uniform(size=(7, 478, 3)).astype(np.float32)
    fields = {"name": "v", "landmarks": landmarks, "fps": 25.0, "image_size": (640, 480), "label": 1, "subject": "s"}
    return Sample(**(fields | changes))


def with_nan(frame: int, landmark: int) -> np.ndarray:
    landmarks = np.zeros((7, 478, 3), np.float32)
    landmarks[frame, landmark, 2] = np.nan
    return landmarks


def write_landmarks(root, name: str, frames: int = 4) -> None:
    """Writes a landmark file of the authors' layout."""
    (root / "npy").mkdir(parents=True, exist_ok=True)
    np.save(root / "npy" / f"{name}.mp4.npy", np.full((frames, 478, 3), 0.5))


def write_fold(root, number, *, train: dict[str, int], test: dict[str, int]) -> None:
    folder = root / "labels" / str(number)
    folder.mkdir(parents=True)
    (folder / "train.json").write_text(json.dumps(train))
    (folder / "test.json").write_text(json.dumps(test))


def publish(root, test_parts) -> None:
    """Writes the authors' layout of NAMES: folds that test the given names."""
    for number, name in enumerate(NAMES):
        write_landmarks(root, name, frames=number + 3)
    for number, test in enumerate(test_parts, 1):
        write_fold(
            root,
            number,
            train={name: label for name, label in NAMES.items() if name not in test},
            test={name: NAMES[name] for name in test},
        )


def write_csv(path, lines, header="path,label,subject") -> None:
    path.write_text("\n".join([header, *(",".join(map(str, line)) for line in lines)]) + "\n")


def write_folder(root) -> None:
    """Writes the samples a, b and c, of 1, 2 and 3 frames."""
    for number, name in enumerate("abc"):
        landmarks, flags = np.full((number + 1, 478, 3), 0.5, np.float32), np.zeros(number + 1, np.uint16)
        sample = make_sample(name=name, landmarks=landmarks, flags=flags, label=0, subject="z")
        samples.save(sample, root / f"{name}.npz")

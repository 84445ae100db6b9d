"""A sample: one video of one smile as Attention Mesh landmarks, and the file that holds it."""

import dataclasses
import io
import json
import os
import pathlib
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float, UInt16

from dfuse_jax.constants import NUM_LANDMARKS
from dfuse_jax.runtime import formats
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.runtime.files import atomic

# The network's input: MediaPipe's coordinates, min-max scaled with the published constants (x, y, z).
SCALE_MIN = np.array([0.06372425, 0.05751023, -0.08976112], np.float32)
SCALE_MAX = np.array([0.63246971, 1.01475966, 0.14436169], np.float32)

# MediaPipe's coordinates leave the image a little where a face does (x, y and z from -0.5 to 1.5); pixels exceed these.
COORDINATE_MIN, COORDINATE_MAX = -1, 2

FORMAT = 1  # of the file of a sample; version 0.1 wrote none, and its files are read
OLD = (
    "made by dfuse_jax 0.1, which read pixels that are not square, mirrored pictures and cut files as they are stored: "
    "where a video is one of these, extract it again"
)

Landmarks = TypeVar("Landmarks", bound=Any)  # an array of NumPy or of JAX, which this module does not import


@dataclasses.dataclass(frozen=True)
class Sample:
    """One smile.

    Attributes:
        name: names the video; unique in a data set.
        landmarks: [T, 478, 3] float32 in MediaPipe's own coordinates (x a fraction of the image's width, y of its
            height, z in the scale of x; y points down, z away from the camera).
        fps: frames per second.
        image_size: (width, height) in pixels.
        label: 1 spontaneous, 0 posed, None unknown.
        subject: who smiles; None unknown.
        source: checksum of the video file that it was extracted from; None: it is not from a file.
        interpolated: the frames in which no face was found, so that their landmarks are made up from their neighbours'.
        flags: [T] uint16, what the camera did not see in every frame, one bit a flag, see `extract.flags`; None
            unknown, as in files of version 0.1.
    """

    name: str
    landmarks: Float[np.ndarray, "frames 478 3"]
    fps: float
    image_size: tuple[int, int]
    label: int | None = None
    subject: str | None = None
    source: str | None = None
    interpolated: tuple[int, ...] = ()
    flags: UInt16[np.ndarray, " frames"] | None = None

    @property
    def aspect(self) -> float:
        """Image height / width, which brings y to the scale of x and z."""
        width, height = self.image_size
        return height / width


def scale(landmarks: Landmarks) -> Landmarks:
    """Brings MediaPipe's coordinates [..., 3] to the network's input [..., 3] (published min-max constants)."""
    return (landmarks - SCALE_MIN) / (SCALE_MAX - SCALE_MIN)


def validate(sample: Sample) -> Sample:
    """Returns the sample if it can be used; raises UserError that names the sample, the frame and the landmark."""
    shape = np.shape(sample.landmarks)
    if len(shape) != 3 or shape[1:] != (NUM_LANDMARKS, 3):
        raise UserError(f"{sample.name}: landmarks have shape {shape}, expected [frames, {NUM_LANDMARKS}, 3].")
    if shape[0] == 0:
        raise UserError(f"{sample.name}: has no frames. Extract the video again or leave it out.")
    dtype = np.asarray(sample.landmarks).dtype
    if dtype.kind not in "iuf":
        raise UserError(f"{sample.name}: landmarks are of type {dtype}, expected float32.")
    broken = np.argwhere(~np.isfinite(sample.landmarks))
    if len(broken):
        frame, landmark, _ = broken[0]
        raise UserError(
            f"{sample.name}: landmark {landmark} of frame {frame} is NaN or infinite "
            f"({len(set(broken[:, 0].tolist()))} such frames). Extract the video again or leave it out."
        )
    _check_coordinates(sample.name, np.asarray(sample.landmarks))
    if not (np.isfinite(sample.fps) and sample.fps > 0):
        raise UserError(f"{sample.name}: the frame rate is {sample.fps}, expected a positive number.")
    if min(sample.image_size) <= 0:
        raise UserError(f"{sample.name}: the image size is {sample.image_size}, expected (width, height) in pixels.")
    if sample.label not in (None, 0, 1):
        raise UserError(f"{sample.name}: the label is {sample.label!r}, expected 1 (spontaneous) or 0 (posed).")
    if sample.flags is not None:
        _check_flags(sample.name, np.asarray(sample.flags), shape[0])
    return sample


def _check_flags(name: str, flags: np.ndarray, frames: int) -> None:
    if flags.shape != (frames,) or flags.dtype != np.uint16:
        raise UserError(f"{name}: flags are {flags.dtype} of shape {flags.shape}, expected uint16 [{frames}], or None.")


def _check_coordinates(name: str, landmarks: np.ndarray) -> None:
    """Raises UserError for coordinates that are not fractions of the image, and for frames without a face.

    Args:
        name: of the sample.
        landmarks: [T, 478, 3], finite numbers.
    """
    outside = (landmarks < COORDINATE_MIN) | (landmarks > COORDINATE_MAX)
    if outside.any():
        frame, landmark, axis = np.argwhere(outside)[0]
        side = "height" if axis == 1 else "width"  # z is in the scale of x
        raise UserError(
            f"{name}: {'xyz'[axis]} of frame {frame} is {landmarks[frame, landmark, axis]:g}: pixels? expected "
            f"fractions of the image's {side}."
        )
    empty = np.flatnonzero(~landmarks.any(axis=(1, 2)))
    if len(empty):
        raise UserError(
            f"{name}: no face in {len(empty)} frames, first in frame {empty[0]} (all its landmarks are 0). Extract the "
            "video again or leave it out."
        )
    if landmarks.dtype.kind != "f":
        raise UserError(f"{name}: landmarks are whole numbers ({landmarks.dtype}), expected fractions of the image.")


def encode(sample: Sample, record: Mapping | None = None) -> bytes:
    """Returns the .npz file of the sample, the same bytes for the same sample; `record` (JSON) is kept in it."""
    fields = {name: value for name, value in vars(sample).items() if value is not None}
    fields["format"] = FORMAT
    fields["interpolated"] = np.array(sample.interpolated, np.int64)
    if record is not None:
        fields["record"] = json.dumps(record)
    file = io.BytesIO()
    np.savez_compressed(file, **fields)
    return file.getvalue()


def save(sample: Sample, path: str | os.PathLike) -> None:
    """Writes the sample to `path` (.npz), atomically."""
    with atomic(path, "wb") as file:
        file.write(encode(sample))


def load(path: str | os.PathLike) -> Sample:
    """Reads what `save` wrote; raises UserError if the file is missing, damaged or of another kind or later version."""
    fields = _read(path)
    formats.refuse_later(path, _format(fields), FORMAT)
    try:
        width, height = fields["image_size"]
        sample = Sample(
            name=str(fields["name"]),
            landmarks=fields["landmarks"],
            fps=float(fields["fps"]),
            image_size=(int(width), int(height)),
            label=int(fields["label"]) if "label" in fields else None,
            subject=str(fields["subject"]) if "subject" in fields else None,
            source=str(fields["source"]) if "source" in fields else None,
            interpolated=tuple(int(frame) for frame in fields.get("interpolated", ())),
            flags=fields.get("flags"),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a sample file ({error}). Extract the video again.") from error
    return validate(sample)


def load_record(path: str | os.PathLike) -> dict | None:
    """Reads the record that `encode` kept in the file, None if there is none; raises UserError as `load` does."""
    fields = _read(path, "record")
    try:
        return json.loads(str(fields["record"])) if "record" in fields else None
    except ValueError as error:
        raise UserError(f"{path}: not a sample file ({error}). Extract the video again.") from error


def is_old(path: str | os.PathLike) -> bool:
    """Returns whether version 0.1 made the file of a sample, so that OLD is true of it; raises as `load` does."""
    return _format(_read(path, "format")) is None


def _format(fields: Mapping[str, np.ndarray]) -> int | None:
    written = fields.get("format")
    return int(written) if written is not None and written.dtype.kind in "iu" and written.ndim == 0 else None


def _read(path: str | os.PathLike, *names: str) -> dict[str, np.ndarray]:
    """Returns {name: array} of a .npz, all or those named that it has."""
    path = pathlib.Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file. Extract a video to make it.", remedy="samples")
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files if not names or key in names}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path}: not a sample file ({error}). Extract the video again.") from error

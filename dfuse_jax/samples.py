"""A sample: one video of one smile as Attention Mesh landmarks, and the file that holds it."""

import contextlib
import dataclasses
import io
import json
import os
import pathlib
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Float, Int, UInt8, UInt16

from dfuse_jax.constants import CHIP_SIDE, NUM_LANDMARKS
from dfuse_jax.runtime import formats
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.runtime.files import atomic

# The network's input: MediaPipe's coordinates, min-max scaled with the published constants (x, y, z).
SCALE_MIN = np.array([0.06372425, 0.05751023, -0.08976112], np.float32)
SCALE_MAX = np.array([0.63246971, 1.01475966, 0.14436169], np.float32)

# MediaPipe's coordinates leave the image a little where a face does (x, y and z from -0.5 to 1.5); pixels exceed these.
COORDINATE_MIN, COORDINATE_MAX = -1, 2

CHIP = np.dtype((np.uint8, (CHIP_SIDE, CHIP_SIDE, 3)))
CHANGES = "chip_changes"  # in the file: of each chip the difference from the one before, modulo 256

FORMAT = 1  # of the file of a sample; version 0.1 wrote none, and its files are read
OLD = (
    "made by dfuse_jax 0.1, which read pixels that are not square, mirrored pictures and cut files as they are stored: "
    "where a video is one of these, extract it again"
)

Landmarks = TypeVar("Landmarks", bound=Any)  # an array of NumPy or of JAX, which this module does not import


@runtime_checkable
class Pickable(Protocol):
    """A source of chips that need not make all of them."""

    def pick(self, frames: Int[np.ndarray, " picked"]) -> UInt8[np.ndarray, "picked 128 128 3"]:
        """Returns the chips of some frames."""
        ...


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
        chip_source: gives the chips one by one, see `chips`; None: there are none.
        network: what has found the landmarks, if not the Attention Mesh of MediaPipe 0.10.14, which gives others.
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
    chip_source: Iterable[UInt8[np.ndarray, "128 128 3"]] | None = dataclasses.field(
        default=None, repr=False, compare=False
    )
    network: str | None = None

    @property
    def chips(self) -> UInt8[np.ndarray, "frames 128 128 3"]:
        """Aligned pictures of the face, RGB, see `extract.chips`: read from file or video, or drawn, at every call.

        Raises:
            UserError: there are none, or not as many as frames.
        """
        chips = np.fromiter(self._require_chips(), CHIP)
        if len(chips) != len(self.landmarks):
            raise UserError(
                f"{self.name}: has {len(chips)} chips, but {len(self.landmarks)} frames. Extract the video again."
            )
        return chips

    def pick_chips(self, frames: Int[np.ndarray, " picked"]) -> UInt8[np.ndarray, "picked 128 128 3"]:
        """Returns the chips of some frames; where they are drawn, others are not. Raises UserError as `chips` does."""
        source = self._require_chips()
        return source.pick(frames) if isinstance(source, Pickable) else self.chips[frames]

    def _require_chips(self) -> Iterable[UInt8[np.ndarray, "128 128 3"]]:
        if self.chip_source is None:
            raise UserError(
                f"{self.name}: has no pictures of the face (chips). Extract the video again with them.", remedy="chips"
            )
        return self.chip_source

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


@dataclasses.dataclass(frozen=True)
class ChipFile:
    """The chips in a file that `encode` made.

    Attributes:
        path: the file.
    """

    path: pathlib.Path

    def __iter__(self) -> Iterator[UInt8[np.ndarray, "128 128 3"]]:
        chip = np.zeros(CHIP.shape, np.uint8)
        with self._opened() as file:
            for _ in range(_read_header(file)[0][0]):
                chip = chip + np.frombuffer(file.read(chip.nbytes), np.uint8).reshape(CHIP.shape)
                yield chip

    def check(self, frames: int) -> None:
        """Raises UserError unless there are so many chips, and of the right size and type."""
        with self._opened() as file:
            shape, _, dtype = _read_header(file)
        if shape != (frames, *CHIP.shape) or dtype != np.uint8:
            raise UserError(
                f"{self.path}: its chips are {dtype} of shape {list(shape)}, expected uint8 "
                f"{[frames, *CHIP.shape]}. Extract the video again."
            )

    @contextlib.contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(f"{CHANGES}.npy") as file:
                yield file
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise UserError(f"{self.path}: its chips cannot be read ({error}). Extract the video again.") from error


def encode(sample: Sample, record: Mapping | None = None, *, chips: bool = False) -> bytes:
    """Returns the .npz file of the sample, the same bytes for the same sample.

    Args:
        sample: what is written.
        record: kept in the file (JSON).
        chips: whether to write the chips too.

    Raises:
        UserError: the sample has no chips.
    """
    fields = {name: value for name, value in vars(sample).items() if value is not None and name != "chip_source"}
    fields["format"] = FORMAT
    fields["interpolated"] = np.array(sample.interpolated, np.int64)
    if record is not None:
        fields["record"] = json.dumps(record)
    file = io.BytesIO()
    np.savez_compressed(file, **fields)
    if chips:
        _append_chips(file, sample)
    return file.getvalue()


def _append_chips(file: io.BytesIO, sample: Sample) -> None:
    """Writes the chips into a .npz file, as changes from frame to frame, one chip at a time.

    In the same file as the landmarks, so that neither is there without the other; a reader of landmarks does not read
    them. Changes take 42 to 46% of the chips' bytes, chips themselves 66 to 82%, and a higher level of compression
    saves a tenth and takes seven times as long.
    """
    header = {"descr": "|u1", "fortran_order": False, "shape": (len(sample.landmarks), *CHIP.shape)}
    previous = np.zeros(CHIP.shape, np.uint8)
    count = 0
    with (
        zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(f"{CHANGES}.npy", "w", force_zip64=True) as entry,
    ):
        np.lib.format.write_array_header_1_0(entry, header)
        for chip in () if sample.chip_source is None else sample.chip_source:
            entry.write((chip - previous).tobytes())
            previous = chip
            count += 1
    if count != len(sample.landmarks):
        raise UserError(f"{sample.name}: has {count} chips, but {len(sample.landmarks)} frames.", remedy="chips")


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Returns shape, order and type of the array in an open .npy file."""
    np.lib.format.read_magic(file)
    return np.lib.format.read_array_header_1_0(file)


def save(sample: Sample, path: str | os.PathLike, *, chips: bool = False) -> None:
    """Writes the sample to `path` (.npz), atomically; `chips` too where asked for."""
    with atomic(path, "wb") as file:
        file.write(encode(sample, chips=chips))


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
            chip_source=ChipFile(pathlib.Path(path)) if _has_chips(path) else None,
            network=str(fields["network"]) if "network" in fields else None,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a sample file ({error}). Extract the video again.") from error
    if isinstance(sample.chip_source, ChipFile):
        sample.chip_source.check(len(sample.landmarks))
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
    """Returns {name: array} of a .npz, those named that it has, or all but the chips."""
    path = pathlib.Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file. Extract a video to make it.", remedy="samples")
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in names or set(file.files) - {CHANGES} if key in file.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path}: not a sample file ({error}). Extract the video again.") from error


def _has_chips(path: str | os.PathLike) -> bool:
    with zipfile.ZipFile(path) as archive:
        return f"{CHANGES}.npy" in archive.namelist()

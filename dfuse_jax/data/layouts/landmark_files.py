"""Landmarks of one video that were found elsewhere, as NumPy arrays or CSV files: checked, and read as samples."""

import csv
import dataclasses
import math
import pathlib
import re
import tokenize
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from dfuse_jax import samples
from dfuse_jax.constants import NUM_LANDMARKS
from dfuse_jax.data.layouts import other_tools
from dfuse_jax.data.layouts.tables import Row
from dfuse_jax.extract import gaps
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.runtime.files import checksum
from dfuse_jax.samples import COORDINATE_MAX, Sample

SUFFIXES = (".npz", ".npy", ".csv", ".json")
AXES = ("x", "y", "z")
LONG = ("frame", "landmark", *AXES)
FACE_MESH = 468  # Attention Mesh without the irises
MOST_LANDMARKS = 1000  # of any mesh: more is a mistake in the file, and would not fit memory
SPARSE = 10  # times as many frames as there are lines: they are no numbers of frames

RIGHT_EYE, LEFT_EYE, FOREHEAD, CHIN, NOSE, TEMPLES = 33, 263, 10, 152, 1, (234, 454)


def is_one(path: pathlib.Path) -> bool:
    """Tells whether a file is one of landmarks, by its name."""
    return path.suffix.lower() in SUFFIXES


def read(row: Row) -> Sample:
    """Reads the file of landmarks that a line of a table names.

    A .npz is a sample, whose own label and subject give way to the table's. A .npy holds an array [frames, 478, 3], a
    .csv a line for each landmark of each frame (frame,landmark,x,y,z) or one for each frame (x0,y0,z0 to
    x477,y477,z477, and `frame` if frames are left out); so does a table of py-feat's with the mesh, in pixels. A .json
    holds results of MediaPipe Tasks. Frames that are left out, empty, NaN or 0 throughout have no
    face. As in a video, such gaps are interpolated up to a quarter of a second and a tenth of the frames.

    Args:
        row: with fps and image_size, unless the file is a .npz, which has its own.

    Raises:
        UserError: names the file, and what is wrong with it.
    """
    if row.path.suffix.lower() == ".npz":
        return _read_sample(row)
    if row.fps is None or row.image_size is None:
        lacking = [name for name, value in (("fps", row.fps), ("width, height", row.image_size)) if value is None]
        raise UserError(
            f"{row.path}: line {row.line} of its table has no {' and no '.join(lacking)}, which a {row.path.suffix} "
            "does not hold. The frame rate and the image's size in pixels stand in the columns fps, width and height."
        )
    array, network = _read_array(row.path)
    fps, size = row.fps, row.image_size
    if network == other_tools.PY_FEAT:
        row = row._replace(units="pixels")
    try:
        sample = _to_sample(array, row, fps=fps, size=size)
        return dataclasses.replace(sample, network=network)
    except UserError as error:
        raise UserError(f"{row.path}: {error}") from error


def _read_array(path: pathlib.Path) -> tuple[np.ndarray, str | None]:
    """Returns what a file holds, and which tool has written it if it is another network's."""
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return read_array(path), None
    if suffix == ".json":
        return other_tools.read_json(path), other_tools.TASKS
    landmarks = read_csv(path)
    if not other_tools.is_fex(read_header(path)):
        return landmarks, None
    lines = read_columns(path, ("frame", "facerectwidth"))
    widths = np.full(len(landmarks), np.nan)
    widths[(lines[:, 0] - lines[:, 0].min()).astype(int)] = lines[:, 1]
    return other_tools.scale_depth(landmarks, widths), other_tools.PY_FEAT


def read_header(path: pathlib.Path) -> list[str]:
    """Returns the first line of a CSV file."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        return next(csv.reader(file), [])


def read_columns(path: pathlib.Path, names: Sequence[str]) -> Float[np.ndarray, "lines columns"]:
    """Reads some columns of a CSV file, whose names are compared in lower case.

    Raises:
        UserError: one of them is not there.
    """
    header = [name.strip().lower() for name in read_header(path)]
    if lacking := [name for name in names if name not in header]:
        raise UserError(f"{path}: has no column {lacking[0]!r}.")
    columns = [header.index(name) for name in names]
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        next(reader)
        return np.array([_numbers(path, reader.line_num, cells, columns) for cells in reader if cells])


def read_array(path: pathlib.Path) -> np.ndarray:
    """Reads a .npy file; raises UserError if it holds no array of numbers."""
    problem = "cannot be read as a NumPy array of numbers"
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError, tokenize.TokenError) as error:  # the last one by a damaged header
        raise UserError(f"{path}: {problem} ({error}). Copy it again.") from error
    if not isinstance(array, np.ndarray):
        raise UserError(f"{path}: {problem} (it is an archive of arrays).")
    if array.dtype.kind not in "biufc":
        raise UserError(f"{path}: {problem} (its type is {array.dtype}).")
    return array


def read_csv(path: pathlib.Path) -> Float[np.ndarray, "frames landmarks 3"]:
    """Reads landmarks from a CSV file, in one of the two layouts that `read` describes; NaN where there is no number.

    Raises:
        UserError: it is in neither layout, a cell is no number, or a landmark is there twice.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:  # spreadsheets write a byte order mark
            reader = csv.reader(file, strict=True)
            header = [cell.strip().lower() for cell in next(reader, [])]
            columns = _columns(path, header)
            rows = [_numbers(path, reader.line_num, cells, columns) for cells in reader if cells]
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read as a CSV file in UTF-8 ({error}).") from error
    values = np.array(rows, float).reshape(len(rows), len(columns))
    if not rows:
        raise UserError(f"{path}: holds no frames.")
    if set(LONG) <= set(header):
        return _from_long(path, values)
    frames = np.arange(len(values))
    if "frame" in header:
        frames, values = _count(path, values[:, 0], "frame"), values[:, 1:]
    landmarks = np.full((_span(path, frames), values.shape[1] // 3, 3), np.nan)
    if other_tools.is_fex(header):
        other_tools.refuse_several_faces(path, frames.tolist())
    if len(np.unique(frames)) < len(frames):
        raise UserError(f"{path}: frame {_first_repeated(frames)} is there twice.")
    landmarks[frames - frames.min()] = values.reshape(len(values), -1, 3)
    return landmarks


def _columns(path: pathlib.Path, header: Sequence[str]) -> list[int]:
    """Returns which columns are read, in the order of LONG, or `frame` and then x, y and z of each landmark."""
    if set(LONG) <= set(header):
        return [header.index(name) for name in LONG]
    other_tools.refuse_68(path, header)
    mesh = "mesh_" if any(name.startswith("mesh_x_") for name in header) else ""  # py-feat's, beside 68 others
    matches = [re.fullmatch(mesh + r"([xyz])[_.]?(\d+)", name) for name in header]
    at = {(int(match[2]), match[1]): column for column, match in enumerate(matches) if match}
    if not at:
        present = ", ".join(repr(name) for name in header[:8]) or "no line"
        raise UserError(
            f"{path}: its first line must be frame,landmark,x,y,z or x0,y0,z0 to x{NUM_LANDMARKS - 1},"
            f"y{NUM_LANDMARKS - 1},z{NUM_LANDMARKS - 1}, separated by commas (found: {present})."
        )
    last = max(landmark for landmark, _ in at)
    wanted = ((landmark, axis) for landmark in range(last + 1) for axis in AXES)
    lacking = next((key for key in wanted if key not in at), None)
    if lacking:
        landmark, axis = lacking
        raise UserError(f"{path}: has columns up to {last}, but no {axis}{landmark}. Landmarks count from 0.")
    first = [header.index("frame")] if "frame" in header else []
    return first + [at[landmark, axis] for landmark in range(last + 1) for axis in AXES]


def _numbers(path: pathlib.Path, line: int, cells: Sequence[str], columns: Sequence[int]) -> list[float]:
    """Returns the numbers of a line; NaN for an empty cell, and for NA, as R writes it."""
    if len(cells) <= max(columns):
        raise UserError(f"{path}: line {line} has {len(cells)} cells, which is less than the first line has.")
    numbers = []
    for column in columns:
        cell = cells[column].strip()
        try:
            numbers.append(math.nan if cell in ("", "NA") else float(cell))
        except ValueError as error:
            raise UserError(f"{path}: line {line}: {cell!r} is no number, such as 0.25.") from error
    return numbers


def _from_long(path: pathlib.Path, values: Float[np.ndarray, "lines 5"]) -> Float[np.ndarray, "frames landmarks 3"]:
    """Returns landmarks of which each has a line: frame, landmark, x, y, z."""
    frames, points = _count(path, values[:, 0], "frame"), _count(path, values[:, 1], "landmark")
    if points.min() == 1 and points.max() == NUM_LANDMARKS:
        raise UserError(f"{path}: its landmarks count from 1. Count them from 0, as MediaPipe does.")
    if points.max() >= MOST_LANDMARKS:
        raise UserError(f"{path}: there is a landmark {points.max()}; expected 0 to {NUM_LANDMARKS - 1}.")
    shape = _span(path, frames), int(points.max()) + 1
    keys = (frames - frames.min()) * shape[1] + points
    if len(np.unique(keys)) < len(keys):
        line = int(np.argmax(keys == _first_repeated(keys)))
        raise UserError(f"{path}: landmark {points[line]} of frame {frames[line]} is there twice.")
    landmarks = np.full((*shape, 3), np.nan)
    landmarks[frames - frames.min(), points] = values[:, 2:]
    return landmarks


def _count(path: pathlib.Path, numbers: Float[np.ndarray, " lines"], noun: str) -> Int[np.ndarray, " lines"]:
    """Returns numbers of frames or landmarks as whole numbers."""
    whole = np.isfinite(numbers) & (numbers == np.floor(numbers)) & (numbers >= 0) & (numbers < 2**31)
    if not whole.all():
        raise UserError(f"{path}: there is a {noun} {numbers[~whole][0]:g}; expected whole numbers from 0.")
    return numbers.astype(int)


def _span(path: pathlib.Path, frames: Int[np.ndarray, " lines"]) -> int:
    """Returns how many frames there are from the first to the last."""
    span = int(frames.max() - frames.min()) + 1
    if span > SPARSE * len(np.unique(frames)):
        raise UserError(
            f"{path}: of the frames {frames.min()} to {frames.max()} only {len(np.unique(frames))} are there. Number "
            "the frames one by one."
        )
    return span


def _first_repeated(numbers: Int[np.ndarray, " lines"]) -> int:
    unique, counts = np.unique(numbers, return_counts=True)
    return int(unique[counts > 1][0])


def _read_sample(row: Row) -> Sample:
    given = {"fps": row.fps, "width, height": row.image_size, "units": row.units, "pixel_aspect": row.pixel_aspect}
    if superfluous := [name for name, value in given.items() if value is not None]:
        raise UserError(
            f"{row.path}: holds its own frame rate and image size: leave {' and '.join(superfluous)} empty in line "
            f"{row.line} of its table."
        )
    return samples.load(row.path)


def _to_sample(array: np.ndarray, row: Row, *, fps: float, size: tuple[int, int]) -> Sample:
    """Returns landmarks as a sample; raises UserError that does not name the file."""
    _check_shape(array)
    width, height = size
    landmarks = _to_fractions(_without_empty(array.astype(float)), row.units, size)
    filled, interpolated = _fill(landmarks, fps)
    _check_face(filled)
    sample = Sample(
        name=row.name,
        landmarks=filled.astype(np.float32),
        fps=fps,
        image_size=(round(width * (row.pixel_aspect or 1)), height),
        label=row.label,
        subject=row.subject,
        source=checksum(row.path),
        interpolated=interpolated,
    )
    return samples.validate(sample)


def _check_shape(array: np.ndarray) -> None:
    expected = f"expected [frames, {NUM_LANDMARKS}, 3]"
    if array.ndim == 3 and array.shape[1] == FACE_MESH:
        raise UserError(
            f"has {FACE_MESH} landmarks, which lack the irises; {expected}. MediaPipe finds all {NUM_LANDMARKS} with "
            "refine_landmarks=True."
        )
    if array.ndim == 3 and array.shape[1:] == (NUM_LANDMARKS, 2):
        raise UserError(f"has x and y alone; {expected}, with the z that MediaPipe finds as well.")
    if array.ndim != 3 or array.shape[1:] != (NUM_LANDMARKS, 3):
        raise UserError(f"landmarks have shape {array.shape}, {expected}.")
    if len(array) == 0:
        raise UserError("holds no frames.")
    if array.dtype.kind not in "iuf":
        raise UserError(f"landmarks are of type {array.dtype}, expected numbers such as float32.")


def _without_empty(landmarks: Float[np.ndarray, "frames 478 3"]) -> Float[np.ndarray, "frames 478 3"]:
    """Returns NaN for frames that are 0 throughout; raises UserError where a part of a frame is missing."""
    landmarks = np.where((landmarks == 0).all(axis=(1, 2), keepdims=True), np.nan, landmarks)
    missing = np.isnan(landmarks)
    partly = np.flatnonzero(missing.any(axis=(1, 2)) & ~missing.all(axis=(1, 2)))
    if len(partly):
        landmark = int(missing[partly[0]].any(axis=1).argmax())
        raise UserError(
            f"landmark {landmark} of frame {partly[0]} is missing or NaN ({len(partly)} such frames). A frame has all "
            "its landmarks, or none where no face was found."
        )
    if np.isinf(landmarks).any():
        frame, landmark, _ = np.argwhere(np.isinf(landmarks))[0]
        raise UserError(f"landmark {landmark} of frame {frame} is infinite.")
    if missing.all():
        raise UserError("no frame has a face: all are empty, NaN or 0.")
    return landmarks


def _to_fractions(
    landmarks: Float[np.ndarray, "frames 478 3"], units: str | None, size: tuple[int, int]
) -> Float[np.ndarray, "frames 478 3"]:
    """Returns x and z as fractions of the image's width and y of its height; raises UserError for other units."""
    largest = float(np.nanmax(np.abs(landmarks)))
    if units == "pixels":
        if largest <= COORDINATE_MAX:
            raise UserError(f"no coordinate exceeds {largest:.3g}, so these are fractions, but `units` says pixels.")
        width, height = size
        return landmarks / np.array([width, height, width])
    if largest > COORDINATE_MAX:
        raise UserError(
            f"a coordinate is {largest:g}: pixels? expected fractions of the image. Landmarks in pixels need `pixels` "
            "in the column units of their table."
        )
    return landmarks


def _fill(
    landmarks: Float[np.ndarray, "frames 478 3"], fps: float
) -> tuple[Float[np.ndarray, "frames 478 3"], tuple[int, ...]]:
    """Interpolates frames without a face, as extraction does; raises UserError where there are too many."""
    positions = np.arange(len(landmarks), dtype=float)
    has_face = ~np.isnan(landmarks[:, 0, 0])
    lost = np.flatnonzero(~has_face)
    if len(lost) > gaps.MAX_LOST * len(landmarks):
        raise UserError(
            f"no face in {len(lost)} of its {len(landmarks)} frames, first in frame {lost[0]}; up to "
            f"{gaps.MAX_LOST:.0%} are interpolated. Cut it to where the face is in full view."
        )
    gap = gaps.longest_gap(positions, has_face, fps)
    if gap.length > gaps.max_gap(fps) + 1e-6:
        raise UserError(
            f"no face for {gap.length:.2f} seconds, from {gap.start:.2f} on; up to {gaps.max_gap(fps):.2f} are "
            "interpolated. Cut it to where the face is in full view."
        )
    return gaps.fill(landmarks, positions)


def _check_face(landmarks: Float[np.ndarray, "frames 478 3"]) -> None:
    """Raises UserError if these cannot be the landmarks of an upright face in an image, in most frames."""

    def middle(landmark: int | list[int], axis: int) -> float:
        return float(np.median(landmarks[:, landmark, axis]))

    if np.ptp(landmarks[..., 2]) == 0:
        raise UserError("z is the same everywhere; expected the z of MediaPipe: D-Markers need the face in space.")
    if middle(FOREHEAD, 1) >= middle(CHIN, 1):
        raise UserError(
            f"the face is upside down: landmark {FOREHEAD} (forehead) is below {CHIN} (chin). y must grow downwards."
        )
    if middle(RIGHT_EYE, 0) >= middle(LEFT_EYE, 0):
        raise UserError(
            f"the face is mirrored: landmark {RIGHT_EYE} (the person's right eye) is right of {LEFT_EYE}. x must grow "
            "to the right of the image, and landmarks must be in MediaPipe's order."
        )
    if middle(NOSE, 2) >= middle(list(TEMPLES), 2):
        raise UserError(
            f"the face is inside out: landmark {NOSE} (nose) is behind the temples. z must grow away from the camera."
        )

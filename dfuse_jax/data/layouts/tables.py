"""CSV tables of videos, or of files of landmarks: the file, label and subject of each."""

import csv
import math
import pathlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from dfuse_jax.data.file_names import locate, normalized
from dfuse_jax.extract.video import parse_pixel_aspect
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.runtime.files import atomic

LABELS = {"1": 1, "0": 0, "spontaneous": 1, "posed": 0}
COLUMNS = ("path", "label", "subject")
UNITS = ("fractions", "pixels")


class Row(NamedTuple):
    """A line of the table.

    Attributes:
        path: of the file.
        name: of its sample.
        label: 1 spontaneous, 0 posed.
        subject: who smiles; None: unknown.
        line: its number.
        pixel_aspect: width / height of a pixel; None: what a video's file says, or 1.
        fps: frames per second; None: what the file says.
        image_size: (width, height) in pixels, as they are stored; None: what the file says.
        units: of landmarks, one of UNITS; None: fractions, or what the file says.
    """

    path: pathlib.Path
    name: str
    label: int
    subject: str | None
    line: int
    pixel_aspect: float | None = None
    fps: float | None = None
    image_size: tuple[int, int] | None = None
    units: str | None = None


def read(path: pathlib.Path) -> list[Row]:
    """Reads a CSV file with the columns path, label and subject, in any order, among others.

    path: of the file, from the CSV file's own folder; label: spontaneous or 1, posed or 0; subject: anything, or
    nothing where it is unknown. An optional column `name` names samples, which are otherwise named after their files.
    Where the files do not say it, `pixel_aspect` holds the width / height of a pixel (16:15), `fps` the frames per
    second, and, for files of landmarks, `width` and `height` the image's size and `units` those of the landmarks.
    Names are in Unicode's composed form, and a path finds a file whose name is the same but for that form.

    Raises:
        UserError: it cannot be read, lacks a column or names no videos, a line is not what it should be, or a file is
            missing.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:  # spreadsheets write a byte order mark
            reader = csv.DictReader(file, strict=True)
            columns = [column.strip() for column in reader.fieldnames or []]
            reader.fieldnames = columns
            lines = [(reader.line_num, line) for line in reader]
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read as a CSV file in UTF-8 ({error}).") from error
    lacking = [column for column in COLUMNS if column not in columns]
    if lacking:
        present = ", ".join(repr(column) for column in columns) or "no line"
        raise UserError(
            f"{path}: has no column {' and no column '.join(lacking)}; its first line must be path,label,subject, "
            f"separated by commas (found: {present})."
        )
    if not lines:
        raise UserError(f"{path}: names no video.")
    rows = [_read_row(path, number, line) for number, line in lines]
    _check_names(path, rows)
    absent = [row for row in rows if not row.path.is_file()]
    if absent:
        raise UserError(f"{path}: line {absent[0].line}: no file {absent[0].path} ({len(absent)} such lines).")
    return rows


def _read_row(table: pathlib.Path, number: int, line: Mapping) -> Row:
    if None in line:  # the key of csv.DictReader for further cells
        raise UserError(f"{table}: line {number} has more cells than the first line has columns.")
    cells = {column: (cell or "").strip() for column, cell in line.items()}
    if not cells["path"]:
        raise UserError(f"{table}: line {number} has no path.")
    label = LABELS.get(cells["label"].lower())
    if label is None:
        raise UserError(
            f"{table}: line {number}: the label is {cells['label']!r}; expected spontaneous (or 1) or posed (or 0)."
        )
    try:
        path = locate(table.parent / pathlib.Path(cells["path"]).expanduser())
    except (OSError, RuntimeError) as error:  # a folder that may not be read, or the home of an unknown user
        raise UserError(f"{table}: line {number}: {cells['path']} cannot be read ({error}).") from error
    name = normalized(cells.get("name") or path.stem)
    if name != pathlib.PurePath(name).name:
        raise UserError(f"{table}: line {number}: the name {name!r} cannot be a file's name.")
    return Row(
        path=path,
        name=name,
        label=label,
        subject=cells["subject"] or None,
        line=number,
        **_read_recording(table, number, cells),
    )


def _read_recording(table: pathlib.Path, number: int, cells: Mapping[str, str]) -> dict[str, Any]:
    """Returns the fields of a Row that tell how a video was recorded."""
    try:
        return {
            "pixel_aspect": parse_pixel_aspect(cells["pixel_aspect"]) if cells.get("pixel_aspect") else None,
            "fps": _read_positive("fps", cells.get("fps")),
            "image_size": _read_size(cells.get("width"), cells.get("height")),
            "units": _read_units(cells.get("units")),
        }
    except UserError as error:
        raise UserError(f"{table}: line {number}: {error}") from error


def _read_positive(column: str, cell: str | None) -> float | None:
    if not cell:
        return None
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise UserError(f"{column} is {cell!r}; expected a positive number, such as 25 or 29.97.")
    return value


def _read_size(width: str | None, height: str | None) -> tuple[int, int] | None:
    sides = [_read_positive("width", width), _read_positive("height", height)]
    if sides == [None, None]:
        return None
    pixels = [int(side) for side in sides if side is not None and side == int(side)]
    if len(pixels) < 2:
        raise UserError(f"width and height are {width!r} and {height!r}; expected two whole numbers of pixels.")
    return pixels[0], pixels[1]


def _read_units(cell: str | None) -> str | None:
    if cell and cell.lower() not in UNITS:
        raise UserError(f"units is {cell!r}; expected {' or '.join(UNITS)}.")
    return cell.lower() if cell else None


def _check_names(table: pathlib.Path, rows: Sequence[Row]) -> None:
    counts = Counter(row.name for row in rows)
    for row in rows:
        if counts[row.name] > 1:
            lines = [str(other.line) for other in rows if other.name == row.name]
            raise UserError(
                f"{table}: lines {' and '.join(lines)} are both named {row.name}; rename a file, or add a column "
                "`name`."
            )


def write(path: pathlib.Path, rows: Sequence[Row]) -> None:
    """Writes a table of files in its own folder, for `read`."""
    with atomic(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((*COLUMNS, "name"))
        writer.writerows((row.path.name, row.label, row.subject or "", row.name) for row in rows)

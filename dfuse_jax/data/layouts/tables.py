"""CSV tables of videos: which file, which label, whose smile."""

import csv
import pathlib
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from dfuse_jax.runtime.errors import UserError
from dfuse_jax.runtime.files import atomic

LABELS = {"1": 1, "0": 0, "spontaneous": 1, "posed": 0}
COLUMNS = ("path", "label", "subject")


class Row(NamedTuple):
    """A line of the table: the file, the name of its sample, label, subject (None: unknown) and the line's number."""

    path: pathlib.Path
    name: str
    label: int
    subject: str | None
    line: int


def read(path: pathlib.Path) -> list[Row]:
    """Reads a CSV file with the columns path, label and subject, in any order, among others.

    path: of the file, from the CSV file's own folder; label: spontaneous or 1, posed or 0; subject: anything, or
    nothing where it is unknown. A column `name`, which may be missing, names samples other than their files.

    Raises:
        UserError: it cannot be read, lacks a column, holds no videos, or a line says what cannot be; a file is missing.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:  # spreadsheets write a byte order mark
            reader = csv.DictReader(file, strict=True)
            columns = [column.strip() for column in reader.fieldnames or []]
            reader.fieldnames = columns
            lines = [(reader.line_num, line) for line in reader]
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read as a CSV file in UTF-8 ({error}).") from error
    if lacking := [column for column in COLUMNS if column not in columns]:
        found = ", ".join(map(repr, columns)) or "no line"
        raise UserError(
            f"{path}: has no column {' and no column '.join(lacking)}; its first line must be path,label,subject, "
            f"separated by commas (found: {found})."
        )
    if not lines:
        raise UserError(f"{path}: names no video.")
    rows = [_row(path, number, line) for number, line in lines]
    names = Counter(row.name for row in rows)
    for row in rows:
        if names[row.name] > 1:
            at = [str(other.line) for other in rows if other.name == row.name]
            raise UserError(
                f"{path}: lines {' and '.join(at)} are both named {row.name}; rename a file, or add a column `name`."
            )
    if absent := [row for row in rows if not row.path.is_file()]:
        raise UserError(f"{path}: line {absent[0].line}: no file {absent[0].path} ({len(absent)} such lines).")
    return rows


def _row(table: pathlib.Path, number: int, line: dict) -> Row:
    cells = {key: (value or "").strip() for key, value in line.items() if key and isinstance(value, str | None)}
    if None in line:
        raise UserError(f"{table}: line {number} has more cells than the first line has columns.")
    if not cells["path"]:
        raise UserError(f"{table}: line {number} has no path.")
    if (label := LABELS.get(cells["label"].lower())) is None:
        raise UserError(
            f"{table}: line {number}: the label is {cells['label']!r}; expected spontaneous (or 1) or posed (or 0)."
        )
    path = table.parent / pathlib.Path(cells["path"]).expanduser()
    name = cells.get("name") or path.stem
    if name != pathlib.PurePath(name).name:
        raise UserError(f"{table}: line {number}: the name {name!r} cannot be a file's name.")
    return Row(path, name, label, cells["subject"] or None, number)


def write(path: pathlib.Path, rows: Sequence[Row]) -> None:
    """Writes the table of files that lie beside it, so that `read` reads it."""
    with atomic(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((*COLUMNS, "name"))
        writer.writerows((row.path.name, row.label, row.subject or "", row.name) for row in rows)

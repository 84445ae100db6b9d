"""The parts of a data set by which a model's numbers are looked at: recordings, lengths, flags, and who smiles."""

import csv
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from dfuse_jax.data.file_names import normalized
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.samples import Sample

TABLE = "subjects.csv"  # in the folder of the data
AGES = (18, 30, 45, 60)  # a group begins at each
UNKNOWN = "unknown"
MOST_GROUPS = 12  # by one property: what has more is no group, but a measurement or a name


def assign(samples: Sequence[Sample], directory: str | pathlib.Path = "") -> dict[str, list[str]]:
    """Returns the group of every sample by each property that the data tell: {property: [group, ...]}.

    The properties are `frame rate`, `picture` (its size), `length` (thirds, in seconds), `flagged frames` and the
    columns of the folder's TABLE, if there is one.

    Args:
        samples: of the data set.
        directory: where its files are; empty: it has none.

    Raises:
        UserError: TABLE is not what it should be.
    """
    groups = {
        "frame rate": [f"{sample.fps:.4g} per second" for sample in samples],
        "picture": ["{} x {}".format(*sample.image_size) for sample in samples],
        "length": _thirds(np.array([len(sample.landmarks) / sample.fps for sample in samples])),
        "flagged frames": [_flagged(sample) for sample in samples],
        **_by_subject(samples, pathlib.Path(directory).expanduser() / TABLE if directory else None),
    }
    return {name: of_samples for name, of_samples in groups.items() if len(set(of_samples)) <= MOST_GROUPS}


def _thirds(seconds: Float[np.ndarray, " samples"]) -> list[str]:
    """Returns the range of the third that each length is in."""
    third = np.searchsorted(np.quantile(seconds, (1 / 3, 2 / 3)), seconds, side="left")
    ranges = {n: f"{seconds[third == n].min():.1f} to {seconds[third == n].max():.1f} s" for n in set(third.tolist())}
    return [ranges[n] for n in third.tolist()]


def _flagged(sample: Sample) -> str:
    """Returns how many of the frames the camera did not see well, in words."""
    if sample.flags is None:
        return UNKNOWN
    flagged = np.asarray(sample.flags) != 0
    flagged[list(sample.interpolated)] = True
    if not flagged.any():
        return "none"
    return "up to a tenth" if flagged.mean() <= 0.1 else "more than a tenth"


def _by_subject(samples: Sequence[Sample], table: pathlib.Path | None) -> dict[str, list[str]]:
    """Returns the groups by the columns of a table of subjects; none without one."""
    if table is None or not table.exists():
        return {}
    rows = read_subjects(table)
    columns = {column for row in rows.values() for column in row}
    nobody: Mapping[str, str] = {}
    return {
        column: [rows.get(sample.subject or "", nobody).get(column, UNKNOWN) for sample in samples]
        for column in sorted(columns)
    }


def read_subjects(path: pathlib.Path) -> dict[str, dict[str, str]]:
    """Reads a CSV file with a column `subject` and others, such as `age` and `sex`: {subject: {column: group}}.

    Ages, in years, become groups that begin at AGES. Cells that are empty are left out.

    Raises:
        UserError: it cannot be read, lacks the column, has a subject twice, or an age that is no number.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            reader.fieldnames = [column.strip().lower() for column in reader.fieldnames or []]
            lines = [(reader.line_num, line) for line in reader]
    except (OSError, ValueError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read as a CSV file in UTF-8 ({error}).") from error
    if "subject" not in reader.fieldnames:
        raise UserError(f"{path}: has no column subject; expected one, and others such as age and sex.")
    subjects = {}
    for number, line in lines:
        cells = {column: (cell or "").strip() for column, cell in line.items() if isinstance(column, str)}
        subject = normalized(cells.pop("subject"))
        if subject in subjects:
            raise UserError(f"{path}: line {number}: {subject} is there twice.")
        groups = {column: cell for column, cell in cells.items() if column and cell}
        if "age" in groups:
            groups["age"] = _age_group(path, number, groups["age"])
        subjects[subject] = groups
    return subjects


def _age_group(path: pathlib.Path, line: int, cell: str) -> str:
    try:
        age = float(cell)
    except ValueError:
        age = -1.0
    if not 0 <= age < 150:
        raise UserError(f"{path}: line {line}: the age is {cell!r}; expected years, such as 34.")
    below = [first for first in AGES if first <= age]
    above = [first for first in AGES if first > age]
    if not below:
        return f"0 to {AGES[0] - 1}"
    return f"{below[-1]} to {above[0] - 1}" if above else f"{AGES[-1]} and over"

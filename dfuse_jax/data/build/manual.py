"""The folder into which a researcher puts the videos of a database: instructions, and a plan of the extraction."""

import pathlib
from collections.abc import Mapping
from typing import NamedTuple

from dfuse_jax.data.databases import DATABASES, labels_from_names, parse_name
from dfuse_jax.data.file_names import check_encoding, is_hidden, normalized
from dfuse_jax.data.layouts import splits, tables
from dfuse_jax.extract.batch import Job
from dfuse_jax.extract.video import SUFFIXES, find_videos
from dfuse_jax.runtime.errors import UserError

_VIDEO_NAMES = {
    "uva_nemo": "<subject>_deliberate_smile_<n>.mp4 and <subject>_spontaneous_smile_<n>.mp4 (1920x1080, 50 fps)",
    "mmi": "<session>.mp4, such as 1763.mp4 (posed 720x576, 25 fps; spontaneous 640x480, 29 fps)",
    "spos": "posed_<subject>-<n>.mp4 and spontaneous_<subject>-<n>.mp4 (640x480, 25 fps)",
    "bbc": "Genuine_smilecontent q<nn>.mp4 and posed_smilecontent q<nn>.mp4 (314x286, 25 fps)",
}
_LABELS_IN_NAMES = """\
Their names give label and subject, so nothing else is needed. The published folds are used if they are in
<manual_dir>/labels/<fold>/train.json and test.json ({video: 1 or 0}); otherwise folds are made."""
_LABELS_IN_FILES = """\
Their names give no labels, so put the published folds into <manual_dir>/labels/<fold>/train.json and test.json
({video: 1 or 0}), or a table path,label,subject (and name, where a file is not named as published) into
<manual_dir>/labels.csv."""
_INSTRUCTIONS = """
Ask {owner} for {title}; it is handed out under an agreement.
Put its videos into the manual_dir or folders in it, named as published: {names}; or {other_suffixes}.
{labels}
Landmarks are extracted into <data_dir>/{name}/landmarks/<video>.npz and stay there when a build fails.
"""

INSTRUCTIONS = {
    name: _INSTRUCTIONS.format(
        name=name,
        title=database.title,
        owner=database.owner,
        names=_VIDEO_NAMES[name],
        other_suffixes=", ".join(suffix for suffix in SUFFIXES if suffix != ".mp4"),
        labels=_LABELS_IN_NAMES if database.name_pattern else _LABELS_IN_FILES,
    )
    for name, database in DATABASES.items()
}


class Plan(NamedTuple):
    """The extraction of a database.

    Attributes:
        jobs: the videos, with labels and subjects.
        splits: the published folds; empty if they are not there.
        notes: sentences on the files that a user must read.
    """

    jobs: list[Job]
    splits: list[splits.Split]
    notes: tuple[str, ...] = ()


def plan(root: pathlib.Path, database: str) -> Plan:
    """Plans the extraction of a database, and checks all files before the first is extracted.

    Args:
        root: holds videos, and labels/<fold>/{train,test}.json or labels.csv or neither.
        database: a key of DATABASES.

    Raises:
        UserError: something is missing (with the instructions), named twice or not named as published, or the folds
            are invalid.
    """
    notes = []
    published = splits.read(root)
    if not published and (root / "labels.csv").exists():
        jobs = [
            Job(
                row.path,
                name=row.name,
                label=row.label,
                subject=row.subject,
                pixel_aspect=row.pixel_aspect or DATABASES[database].pixel_aspects.get(row.label),
            )
            for row in tables.read(root / "labels.csv")
        ]
    else:
        videos = _find_videos(root, database)
        if published:
            splits.check_labels(published, database)
            labels = splits.collect_labels(published)
        else:
            labels = _require_labels(videos, root, database)
        absent = sorted(labels.keys() - videos.keys())
        if absent:
            raise _missing(root, database, f"{len(absent)} of {len(labels)} videos are missing, first {absent[0]}")
        extra = sorted(videos.keys() - labels.keys())
        if extra:
            notes.append(f"{len(extra)} videos are in no fold and left out, first {videos[extra[0]]}")
        jobs = [
            Job(
                path=videos[video],
                name=video,
                label=label,
                subject=parse_name(database, video).subject,
                pixel_aspect=DATABASES[database].pixel_aspects.get(label),
            )
            for video, label in sorted(labels.items())
        ]
    if len({job.label for job in jobs}) < 2:
        raise _missing(root, database, "all videos have the same label")
    return Plan(jobs, published, tuple(notes))


def _find_videos(root: pathlib.Path, database: str) -> dict[str, pathlib.Path]:
    """Returns {name: path} of the videos in the folder and the folders in it."""
    paths = [path for path in find_videos(root) if not is_hidden(path.relative_to(root))]
    if not paths:
        raise _missing(root, database, "no videos" if root.is_dir() else "no such folder")
    check_encoding(paths)
    videos = {}
    for path in paths:
        video = normalized(path.stem)
        if video in videos:
            raise UserError(f"{path}: {videos[video]} has the same name. Move one of them out of {root}.")
        videos[video] = path
    return videos


def _require_labels(videos: Mapping[str, pathlib.Path], root: pathlib.Path, database: str) -> dict[str, int]:
    if DATABASES[database].name_pattern is None:
        raise _missing(root, database, "no labels, neither labels/<fold>/ nor labels.csv,")
    labels, unnamed = labels_from_names(database, videos)
    if unnamed:
        raise _missing(root, database, f"{videos[unnamed[0]]} is not named as published ({len(unnamed)} such)")
    return labels


def _missing(root: pathlib.Path, database: str, problem: str) -> UserError:
    return UserError(f"{database}: {problem} in {root}. " + " ".join(INSTRUCTIONS[database].split()))

"""The folder into which a researcher puts a database's videos: what belongs there, and what is there."""

import pathlib
from collections.abc import Mapping

from dfuse_jax.data.layouts import authors, tables
from dfuse_jax.data.databases import DATABASES, told
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.extract.batch import Job

VIDEOS = (".mp4", ".avi", ".mov", ".wmv", ".mpg", ".mpeg", ".mkv")

_NAMES = {
    "uva_nemo": "<subject>_deliberate_smile_<n>.mp4 and <subject>_spontaneous_smile_<n>.mp4 (1920x1080, 50 fps)",
    "mmi": "<session>.mp4, such as 1763.mp4 (posed 720x576, 25 fps; spontaneous 640x480, 29 fps)",
    "spos": "posed_<subject>-<n>.mp4 and spontaneous_<subject>-<n>.mp4 (640x480, 25 fps)",
    "bbc": "Genuine_smilecontent q<nn>.mp4 and posed_smilecontent q<nn>.mp4 (314x286, 25 fps)",
}
_NAMES_TELL = """\
Their names tell label and subject, so nothing else is needed. The published folds are used if they lie in
<manual_dir>/labels/<fold>/train.json and test.json ({video: 1 or 0}); otherwise folds are made."""
_NAMES_DO_NOT_TELL = """\
Their names tell no labels, so put the published folds into <manual_dir>/labels/<fold>/train.json and test.json
({video: 1 or 0}), or a table path,label,subject (and name, where a file is not named as published) into
<manual_dir>/labels.csv."""
_INSTRUCTIONS = """
Ask {owner} for {title}; it is handed out under an agreement.
Put its videos into the manual_dir or folders in it, named as published: {names}; or {others}.
{labels}
Landmarks are extracted into <data_dir>/{name}/landmarks/<video>.npz and stay there when a build fails.
"""

INSTRUCTIONS = {
    name: _INSTRUCTIONS.format(
        name=name,
        title=database.title,
        owner=database.owner,
        names=_NAMES[name],
        others=", ".join(VIDEOS[1:]),
        labels=_NAMES_TELL if database.name else _NAMES_DO_NOT_TELL,
    )
    for name, database in DATABASES.items()
}


def plan(root: pathlib.Path, name: str) -> tuple[list[Job], list[authors.Split]]:
    """What is to be extracted, before any of it is.

    Args:
        root: holds videos, and labels/<fold>/{train,test}.json or labels.csv or neither.
        name: of the database.

    Returns:
        The videos with labels and subjects, and the published folds; no folds if they are not there.

    Raises:
        UserError: something is missing (with the instructions), named twice or not as published; folds that cannot be.
    """
    splits = authors.read_splits(root)
    if not splits and (root / "labels.csv").exists():
        jobs = [Job(row.path, row.name, row.label, row.subject) for row in tables.read(root / "labels.csv")]
    else:
        videos = _videos(root, name)
        labels = authors.labels_of(splits, name) if splits else _labels_by_name(videos, root, name)
        if absent := sorted(labels.keys() - videos.keys()):
            raise _missing(root, name, f"{len(absent)} of {len(labels)} videos are missing, first {absent[0]}")
        if extra := sorted(videos.keys() - labels.keys()):
            print(f"{name}: {len(extra)} videos are in no fold and left out, first {videos[extra[0]]}")
        jobs = [Job(videos[video], video, label, told(name, video).subject) for video, label in sorted(labels.items())]
    if len({job.label for job in jobs}) < 2:
        raise _missing(root, name, "all videos have the same label")
    return jobs, splits


def _videos(root: pathlib.Path, name: str) -> dict[str, pathlib.Path]:
    """{name: path} of the videos in the folder and the folders in it."""
    paths = sorted(path for path in root.rglob("*") if path.suffix.lower() in VIDEOS and path.is_file())
    if not paths:
        raise _missing(root, name, "no videos" if root.is_dir() else "no such folder")
    videos = {}
    for path in paths:
        if path.stem in videos:
            raise UserError(f"{path}: {videos[path.stem]} has the same name. Move one of them out of {root}.")
        videos[path.stem] = path
    return videos


def _labels_by_name(videos: Mapping[str, pathlib.Path], root: pathlib.Path, name: str) -> dict[str, int]:
    if DATABASES[name].name is None:
        raise _missing(root, name, "no labels, neither labels/<fold>/ nor labels.csv,")
    if strange := [video for video in sorted(videos) if told(name, video).label is None]:
        raise _missing(root, name, f"{videos[strange[0]]} is not named as published ({len(strange)} such)")
    return {video: told(name, video).label for video in videos}


def _missing(root: pathlib.Path, name: str, what: str) -> UserError:
    return UserError(f"{name}: {what} in {root}. " + " ".join(INSTRUCTIONS[name].split()))

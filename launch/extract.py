"""Turns videos of a smiling face each into landmarks, DIR/<video's name>.npz, on all cores or on a Ray cluster.

python launch/extract.py VIDEO... --out DIR

A VIDEO may also be a folder: of all videos in it, and in its folders. What is extracted already is not done again.
DIR/manifest.json, quality.csv and contact_sheet.png tell how it went.
"""

import os
import pathlib

from absl import flags

from dfuse_jax.runtime import cli
from dfuse_jax.runtime.errors import UserError

_OUT = flags.DEFINE_string("out", None, "Folder for the .npz files; made if it is not there.")
_WORKERS = flags.DEFINE_integer("workers", None, "Videos at a time; one per core unless given.", lower_bound=1)
_RAY = flags.DEFINE_string("ray", None, "Address of a Ray cluster that extracts (or auto); local: one started here.")


def main(argv):
    """Extracts what can be extracted, then raises UserError with the reasons for the rest."""
    if len(argv) < 2:
        raise UserError("No videos given. Usage: python launch/extract.py VIDEO... --out DIR")
    if not _OUT.value:
        raise UserError("--out is missing: the folder for the .npz files.")
    os.environ["JAX_PLATFORMS"] = "cpu"  # it computes the heads' poses only: no GPU's memory is taken for that
    from dfuse_jax.extract import contact_sheet, manifest
    from dfuse_jax.extract.batch import Job, extract_all

    out, videos = pathlib.Path(_OUT.value), find(argv[1:])
    outcome = extract_all([Job(video, video.stem) for video in videos], out, workers=_WORKERS.value, ray=_RAY.value)
    entries = manifest.read(out)
    for name in outcome.extracted:
        for note in notes(entries[name]):
            print(f"{entries[name]['source']}: {note}")
    files = ", ".join(path.name for path in contact_sheet.report(out)[:2])
    print(f"{len(outcome.extracted)} of {len(videos)} videos are in {out}; how good: {files} there.")
    if outcome.failed:
        failed = len(videos) - len(outcome.extracted)
        head = [f"{failed} of {len(videos)} videos not extracted:"] if len(videos) > 1 else []
        raise UserError("\n".join(head + list(outcome.failed.values())))


def find(arguments):
    """The videos that are meant, each once; a folder stands for those in it."""
    from dfuse_jax.extract.video import SUFFIXES

    videos = {}
    for path in map(pathlib.Path, arguments):
        inside = [path]
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
            if not inside:
                raise UserError(f"{path}: no videos in this folder (none of {' '.join(SUFFIXES)}).")
        videos |= {video.resolve(): video for video in reversed(inside) if video.resolve() not in videos}
    return sorted(videos.values())


def notes(entry):
    """What a user should know of a video that was extracted."""
    if entry["other_faces"]:
        yield f"up to {entry['other_faces'] + 1} faces at once; the one that takes up most of the video was followed."
    if entry["interpolated"]:
        yield f"{len(entry['interpolated'])} of {entry['frames']} frames interpolated, no face was found in them."
    if entry["resampled"]:
        yield f"frames came at a varying rate; resampled to {entry['fps']:.4g} a second."


if __name__ == "__main__":
    cli.run(main)

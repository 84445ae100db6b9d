"""Turns videos of a smiling face each into landmarks, DIR/<video's name>.npz, on all cores or on a Ray cluster.

python launch/extract.py VIDEO... --out DIR

A VIDEO may also be a folder: of all videos in it, and in its folders. What is extracted already is not done again.
DIR/manifest.json, quality.csv and contact_sheet.png say how it went.
"""

import os
import pathlib

from absl import flags

from dfuse_jax.runtime import cli
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.runtime.files import escaped

_OUT = flags.DEFINE_string("out", None, "Folder for the .npz files; made if it is not there.")
_WORKERS = flags.DEFINE_integer("workers", None, "Videos at a time; one per core unless given.", lower_bound=1)
_RAY = flags.DEFINE_string("ray", None, "Address of a Ray cluster that extracts (or auto); local: one started here.")
_PIXEL_ASPECT = flags.DEFINE_string(
    "pixel_aspect", None, "Width / height of a pixel, such as 16:15 for PAL, where the videos do not say, or wrongly."
)
_FPS = flags.DEFINE_float("fps", None, "Frames per second, where the videos do not say, or wrongly.", lower_bound=1)


def main(argv):
    """Extracts what can be extracted, then raises UserError with the reasons for the rest."""
    if len(argv) < 2:
        raise UserError("No videos given. Usage: python launch/extract.py VIDEO... --out DIR")
    if not _OUT.value:
        raise UserError("--out is missing: the folder for the .npz files.")
    os.environ["JAX_PLATFORMS"] = "cpu"  # it computes the heads' poses only: no GPU's memory is taken for that
    from dfuse_jax.extract import contact_sheet, manifest
    from dfuse_jax.extract.batch import Job, extract_all
    from dfuse_jax.extract.video import parse_pixel_aspect

    out, videos = pathlib.Path(_OUT.value), find(argv[1:])
    pixel_aspect = parse_pixel_aspect(_PIXEL_ASPECT.value) if _PIXEL_ASPECT.value else None
    jobs = [Job(video, name=video.stem, pixel_aspect=pixel_aspect, fps=_FPS.value) for video in videos]
    outcome = extract_all(jobs, out, workers=_WORKERS.value, ray=_RAY.value)
    entries = manifest.read(out)
    for name in outcome.extracted:
        for note in entries[name]["notes"]:
            print(escaped(f"{entries[name]['source']}: {note}"))
    files = ", ".join(path.name for path in contact_sheet.report(out)[:2])
    print(f"{len(outcome.extracted)} of {len(videos)} videos are in {out}; how good: {files} there.")
    if outcome.failed:
        failed = len(videos) - len(outcome.extracted)
        head = [f"{failed} of {len(videos)} videos not extracted:"] if len(videos) > 1 else []
        raise UserError("\n".join(head + list(outcome.failed.values())))


def find(arguments):
    """Returns the videos that are meant, each once; a folder stands for those in it."""
    from dfuse_jax.extract.video import SUFFIXES, find_videos

    videos = {}
    for path in map(pathlib.Path, arguments):
        inside = [path]
        if path.is_dir():
            inside = find_videos(path)
            if not inside:
                raise UserError(f"{path}: no videos in this folder (none of {' '.join(SUFFIXES)}).")
        videos |= {video.resolve(): video for video in reversed(inside) if video.resolve() not in videos}
    return sorted(videos.values())


if __name__ == "__main__":
    cli.run(main)

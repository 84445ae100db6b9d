"""Turns videos of a smiling face each into landmarks, DIR/<video's name>.npz, on all cores or on a Ray cluster.

dfuse-extract VIDEO... --out DIR

A VIDEO may also be a folder: of all videos in it, and in its folders. What is extracted already is not done again.
DIR/dmarkers.csv holds the 225 D-Markers of every video, first frame to last. DIR/manifest.json, quality.csv
and contact_sheet.png say how the extraction went.
"""

import os
import pathlib
from collections.abc import Iterable, Sequence

from absl import flags

from dfuse_jax.runtime import cli
from dfuse_jax.runtime.errors import UserError


def main() -> None:
    """Runs the command."""
    out = flags.DEFINE_string("out", None, "Folder for the .npz files; made if it is not there.")
    workers = cli.define_workers()
    ray = flags.DEFINE_string("ray", None, "Address of a Ray cluster that extracts (or auto); local: one started here.")
    pixel_aspect = cli.define_pixel_aspect()
    fps = cli.define_fps()
    definition = flags.DEFINE_enum(
        "definition", "robust", ["robust", "paper"], "Definition of the D-Markers in DIR/dmarkers.csv."
    )
    chips = cli.define_chips()
    cli.run(
        lambda argv: extract(
            argv[1:],
            out.value,
            workers=workers.value,
            ray=ray.value,
            pixel_aspect=pixel_aspect.value,
            fps=fps.value,
            definition=definition.value,
            chips=chips.value,
        )
    )


def extract(
    arguments: Sequence[str],
    out: str | None,
    *,
    workers: int | None,
    ray: str | None,
    pixel_aspect: str | None,
    fps: float | None,
    definition: str,
    chips: bool,
) -> None:
    """Extracts what can be extracted, then raises UserError with the reasons for the rest."""
    if not arguments:
        raise UserError("No videos given. Usage: dfuse-extract VIDEO... --out DIR")
    if not out:
        raise UserError("--out is missing: the folder for the .npz files.")

    os.environ["JAX_PLATFORMS"] = "cpu"  # heads' poses and D-Markers need no GPU's memory
    from dfuse_jax.extract import contact_sheet, dmarkers_table, manifest
    from dfuse_jax.extract.batch import Job, extract_all
    from dfuse_jax.extract.flags import UNKNOWN
    from dfuse_jax.extract.video import parse_pixel_aspect
    from dfuse_jax.runtime.files import escaped

    directory, videos = pathlib.Path(out), find(arguments)
    aspect = parse_pixel_aspect(pixel_aspect) if pixel_aspect else None
    jobs = [Job(video, name=video.stem, pixel_aspect=aspect, fps=fps, chips=chips) for video in videos]
    outcome = extract_all(jobs, directory, workers=workers, ray=ray)
    entries = manifest.read(directory)
    for name in outcome.extracted:
        for note in entries[name]["notes"]:
            print(escaped(f"{entries[name]['source']}: {note}"))
    unflagged = [name for name in outcome.extracted if not entries[name]["quality"].get("flags")]
    if unflagged:
        print(escaped(f"{len(unflagged)} videos, first {unflagged[0]}, carry {UNKNOWN}"))
    quality = ", ".join(path.name for path in contact_sheet.report(directory)[:2])
    table = dmarkers_table.write(directory, definition=definition)
    print(
        f"{len(outcome.extracted)} of {len(videos)} videos are in {directory}. "
        f"D-Markers ({definition}): {table.name}; quality: {quality}."
    )
    if outcome.failed:
        failed = len(videos) - len(outcome.extracted)
        head = [f"{failed} of {len(videos)} videos not extracted:"] if len(videos) > 1 else []
        raise UserError("\n".join(head + list(outcome.failed.values())))


def find(arguments: Iterable[str]) -> list[pathlib.Path]:
    """Returns the videos that are meant, each once; a folder stands for those in it.

    Raises:
        UserError: a folder without videos.
    """
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

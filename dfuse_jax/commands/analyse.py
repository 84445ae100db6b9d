"""Finds every smile in recordings of any length and any number of people, and writes a table with a row a smile.

dfuse-analyse VIDEO|FOLDER... --out DIR [--checkpoint RUN] [--overlay]

DIR/smiles.csv and DIR/smiles.parquet hold the table: when each smile begins, peaks and ends, its amplitude, the 225
D-Markers (robust), what the camera did not see and, with --checkpoint, the probability that it is spontaneous. RUN is
the --workdir of a finished dfuse-cv, or an exported model. What is done already is not done again.
"""

import pathlib
from collections.abc import Sequence

from absl import flags

from dfuse_jax.commands.extract import find
from dfuse_jax.runtime import cli
from dfuse_jax.runtime.errors import UserError


def main() -> None:
    """Runs the command."""
    out = flags.DEFINE_string("out", None, "Folder for the results; made if it is not there.")
    checkpoint = flags.DEFINE_string(
        "checkpoint", None, "Folder of a finished dfuse-cv run (its --workdir), or an exported model, which judges."
    )
    grouping = flags.DEFINE_string(
        "groups", None, "CSV with the columns file and group: DIR/groups.csv compares the features of these groups."
    )
    overlay = flags.DEFINE_bool("overlay", False, "Also write the videos with mesh, lip signal and smiles drawn in.")
    workers = cli.define_workers()
    pixel_aspect = cli.define_pixel_aspect()
    fps = cli.define_fps()
    cli.run(
        lambda argv: analyse(
            argv[1:],
            out.value,
            checkpoint=checkpoint.value,
            grouping=grouping.value,
            overlays=overlay.value,
            workers=workers.value,
            pixel_aspect=pixel_aspect.value,
            fps=fps.value,
        )
    )


def analyse(
    arguments: Sequence[str],
    out: str | None,
    *,
    checkpoint: str | None,
    grouping: str | None,
    overlays: bool,
    workers: int | None,
    pixel_aspect: str | None,
    fps: float | None,
) -> None:
    """Analyses what can be analysed, then raises UserError with the reasons for the rest."""
    if not arguments:
        raise UserError("No videos given. Usage: dfuse-analyse VIDEO|FOLDER... --out DIR")
    if not out:
        raise UserError("--out is missing: the folder for the results.")

    from dfuse_jax.experiments.analyse import analyse_all
    from dfuse_jax.extract.video import parse_pixel_aspect
    from dfuse_jax.report.formatting import count
    from dfuse_jax.runtime.files import escaped

    folder = pathlib.Path(out).resolve()
    videos = [video for video in find(arguments) if folder not in video.resolve().parents]  # no overlays
    analysis = analyse_all(
        videos,
        pathlib.Path(out),
        checkpoint=checkpoint,
        grouping=grouping,
        workers=workers,
        overlays=overlays,
        pixel_aspect=parse_pixel_aspect(pixel_aspect) if pixel_aspect else None,
        fps=fps,
    )
    for name, notes in analysis.notes.items():
        for note in notes:
            print(escaped(f"{name}: {note}"))
    refused = sum(1 for reason in analysis.smiles["reason"] if reason)
    not_judged = f", of which {refused} rest on too many flagged frames to be judged" if refused else ""
    done = len(videos) - len(analysis.failed)
    if done:
        smiles = count(len(analysis.smiles), "smile")
        print(f"{smiles} in {done} of {count(len(videos), 'video')}{not_judged}: {out}/smiles.csv")
    if analysis.failed:
        head = [f"{len(analysis.failed)} of {len(videos)} videos not analysed:"] if len(videos) > 1 else []
        raise UserError("\n".join(head + list(analysis.failed.values())))

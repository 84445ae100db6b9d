"""Evaluates a finished run on labelled videos that had no part in it. Nothing is trained.

dfuse-evaluate --checkpoint RUN --data DIR --out OUT

RUN is the --workdir of a finished dfuse-cv, or a file of dfuse-predict --export. DIR is a folder of samples with
labels, which dfuse-dataset makes, or with --source=uva_nemo (mmi, spos, bbc) that of a database. Videos of subjects
that the models were trained on are refused, or with --drop_known left out.
"""

import pathlib

from absl import flags

from dfuse_jax.runtime import cli
from dfuse_jax.runtime.errors import UserError


def main() -> None:
    """Runs the command."""
    checkpoint = flags.DEFINE_string(
        "checkpoint", None, "Folder of a finished dfuse-cv run (its --workdir), or an exported model."
    )
    data = flags.DEFINE_string("data", None, "Folder of labelled samples, or of a database.")
    source = flags.DEFINE_string("source", "folder", "What lies in --data: folder, or a database's name.")
    out = flags.DEFINE_string("out", None, "Folder for the report; made if it is not there.")
    drop_known = flags.DEFINE_bool(
        "drop_known", False, "Leave out the videos of subjects that the models were trained on."
    )

    def run(argv: list[str]) -> None:
        if len(argv) > 1 or not (checkpoint.value and data.value and out.value):
            raise UserError("Usage: dfuse-evaluate --checkpoint RUN --data DIR --out OUT")
        evaluate(checkpoint.value, data.value, source.value, pathlib.Path(out.value), drop_known=drop_known.value)

    cli.run(run)


def evaluate(checkpoint: str, data: str, source: str, out: pathlib.Path, *, drop_known: bool) -> None:
    """Writes the report and prints it."""
    from dfuse_jax.data.load import load_dataset
    from dfuse_jax.experiments import evaluate
    from dfuse_jax.experiments.predict import load
    from dfuse_jax.report import transfer

    trained = load(checkpoint)
    dataset = load_dataset(data, source)
    for note in dataset.notes:
        print(note)
    run = checkpoint if pathlib.Path(checkpoint).is_dir() else None
    evaluation = evaluate.evaluate(
        trained,
        dataset.samples,
        out,
        source=pathlib.Path(data).name,
        run=run,
        drop_known=drop_known,
        data_directory=data,
    )
    print(transfer.console(evaluation))
    print(f"Report: {out / 'report.html'}")

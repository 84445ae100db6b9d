"""Draws the embeddings of test videos by finished runs, side by side: the paper's Fig. 4.

dfuse-embed --checkpoint RUN [--checkpoint RUN ...] --out DIR [--repetitions=1]

RUN is the --workdir of a finished dfuse-cv of a network. Every video is embedded by the model of its own fold, which
has not seen it. DIR/figure.png shows t-SNE and PCA, DIR/results.json holds the silhouette and the accuracy of the
nearest neighbour, both computed in the space of embeddings and within each fold, DIR/embeddings.csv and .npz the
vectors. More runs can also follow as arguments: dfuse-embed --out DIR --checkpoint RUN RUN RUN
"""

import pathlib
from collections.abc import Sequence

from absl import flags

from dfuse_jax.runtime import cli
from dfuse_jax.runtime.errors import UserError


def main() -> None:
    """Runs the command."""
    checkpoint = flags.DEFINE_multi_string("checkpoint", [], "Folder of a finished dfuse-cv run (its --workdir).")
    out = flags.DEFINE_string("out", None, "Folder for picture, numbers and vectors; made if it is not there.")
    repetitions = flags.DEFINE_integer(
        "repetitions", 1, "How many repetitions of each cross-validation give numbers; the first one is drawn.", 1
    )
    cli.run(lambda argv: embed([*checkpoint.value, *argv[1:]], out.value, repetitions=repetitions.value))


def embed(runs: Sequence[str], out: str | None, *, repetitions: int) -> None:
    """Writes the files and prints the numbers."""
    if not runs or not out:
        raise UserError("Usage: dfuse-embed --checkpoint RUN... --out DIR (RUN: the --workdir of a finished dfuse-cv)")
    from dfuse_jax.experiments import embed
    from dfuse_jax.report import embedding as report

    print(report.console(embed.embed(runs, out, repetitions=repetitions)))
    print(f"Picture: {pathlib.Path(out) / 'figure.png'}")

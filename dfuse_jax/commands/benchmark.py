"""Compares fusions, or the systems of the paper's Table 5, over the same folds, seeds and data, in one table.

dfuse-benchmark [--config benchmark[:uva_nemo|mmi|spos|bbc|folder]] [--config.fusions=hadamard,film ...] [--workdir DIR]
dfuse-benchmark --config table5[:uva_nemo|mmi|spos|bbc|folder] [--config.systems=cohn04,pstnet ...] [--workdir DIR]
"""

import pathlib
from collections.abc import Sequence
from typing import Any

from absl import flags

from dfuse_jax.runtime import cli
from dfuse_jax.runtime.errors import UserError


def main() -> None:
    """Runs the command."""
    config = cli.define_config("benchmark")
    workdir = flags.DEFINE_string(
        "workdir",
        None,
        "Folder of the results; the same command on the same folder goes on where it stopped, and other fusions or "
        "systems may be added to it. Default: one of its own for every recipe, under results/.",
    )
    tensorboard = cli.define_tensorboard()
    cli.run(
        lambda argv: compare_variants(argv[1:], config.value, workdir.value, tensorboard=tensorboard.value),
        processes=True,
    )


def compare_variants(
    arguments: Sequence[str], config: Any, workdir: str | None, *, tensorboard: bool | None = None
) -> None:
    """Runs what is not done yet, and writes the table."""
    if arguments:
        raise UserError(
            f"{arguments[0]!r} is not a flag; fusions are given as --config.fusions=hadamard,film, and systems as "
            "--config.systems=cohn04,pstnet."
        )
    if "fusions" not in config and "systems" not in config:
        raise UserError("--config is the recipe of a single run; dfuse-cv runs it.")

    from dfuse_jax.experiments import compare, recipe
    from dfuse_jax.experiments import workdir as workdirs
    from dfuse_jax.report.comparison import words
    from dfuse_jax.runtime import messages

    directory = pathlib.Path(workdir or workdirs.default(config.name, compare.shared_config(config)))
    messages.say(f"{config.name}: {recipe.note(config)}")
    table = compare.compare(config, directory, tensorboard=tensorboard)
    messages.say(words.console(table))
    messages.say(f"Report: {directory}/report.html")

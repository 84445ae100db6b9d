"""Trains on one database and tests on the others: a table by training and test database, with controls.

dfuse-crossdb [--config crossdb[:uva_nemo,mmi,spos,bbc]] [--config.databases.mmi.dir=DIR ...] [--workdir DIR]

Behind the colon stand the databases, of which any may be missing; other names are folders of samples that dfuse-dataset
makes, such as crossdb:uva_nemo,mine. --config.data.train_on=all_but_one trains on all but the tested one, and
--config.data.fps=25 brings all videos to one frame rate.
"""

import pathlib
from collections.abc import Sequence
from typing import Any

from dfuse_jax.runtime import cli
from dfuse_jax.runtime.errors import UserError


def main() -> None:
    """Runs the command."""
    config = cli.define_config("crossdb")
    workdir = cli.define_workdir()
    cli.run(lambda argv: transfer(argv[1:], config.value, workdir.value), processes=True)


def transfer(arguments: Sequence[str], config: Any, workdir: str | None) -> None:
    """Trains, tests, reports."""
    if arguments:
        raise UserError(f"{arguments[0]!r} is not a flag; databases are given as --config crossdb:uva_nemo,mmi.")

    from dfuse_jax.experiments import crossdb, recipe
    from dfuse_jax.experiments import workdir as workdirs
    from dfuse_jax.report import matrix
    from dfuse_jax.runtime import messages

    crossdb.check(config)
    directory = pathlib.Path(workdir or workdirs.default(config.name, config.to_dict()))
    messages.say(f"{config.name}: {recipe.note(config)}")
    results = crossdb.transfer(config, directory)
    if results is None:
        messages.say(f"This run is finished: {directory}/report.md. Another --workdir starts afresh.")
        return
    messages.say(matrix.console(results))
    messages.say(f"Results: {directory}/")

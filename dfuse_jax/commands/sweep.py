"""Tries many settings at once, as replicas of one compiled program, and chooses among them on validation videos.

dfuse-sweep [--config sweep[:uva_nemo|mmi|spos|bbc|folder]] [--config.sweep.axes.dropout='0.0, 0.1' ...] [--workdir DIR]

An axis is a range such as 'log(1e-4, 1e-2)' or 'uniform(0, 0.5)', with a number of points behind it for
--config.sweep.search=grid, or a list of values such as '0.0, 0.1, 0.3'. An empty one is not swept.
"""

import pathlib
from collections.abc import Sequence
from typing import Any

from dfuse_jax.runtime import cli
from dfuse_jax.runtime.errors import UserError


def main() -> None:
    """Runs the command."""
    config = cli.define_config("sweep")
    workdir = cli.define_workdir()
    cli.run(lambda argv: sweep(argv[1:], config.value, workdir.value), processes=True)


def sweep(arguments: Sequence[str], config: Any, workdir: str | None) -> None:
    """Trains, compares, reports."""
    if arguments:
        raise UserError(
            f"{arguments[0]!r} is not a flag; an axis is given as --config.sweep.axes.dropout='0.0, 0.1, 0.3'."
        )

    from dfuse_jax.experiments import recipe
    from dfuse_jax.experiments import sweep as experiment
    from dfuse_jax.experiments import workdir as workdirs
    from dfuse_jax.report import sweep as report
    from dfuse_jax.runtime import messages

    planned = experiment.plan(config)
    directory = pathlib.Path(workdir or workdirs.default(config.name, config.to_dict()))
    messages.say(f"{config.name}: {recipe.note(config)}")
    messages.say(experiment.describe(planned))
    results = experiment.sweep(config, directory)
    if results is None:
        messages.say(f"This sweep is finished: {directory}/report.md. Another --workdir starts afresh.")
        return
    messages.say(report.console(results))
    messages.say(f"Results: {directory}/")

"""Cross-validates a recipe: all folds and runs at once.

dfuse-cv [--config RECIPE[:uva_nemo|mmi|spos|bbc|folder]] [--workdir DIR] [--config.train.epochs=5 ...]

RECIPE is the name of a recipe, such as hadamard, or a file of one's own, such as mine.py.
"""

import pathlib
from collections.abc import Sequence
from typing import Any

from dfuse_jax.runtime import cli
from dfuse_jax.runtime.errors import UserError


def main() -> None:
    """Runs the command."""
    config = cli.define_config("hadamard")
    workdir = cli.define_workdir()
    tensorboard = cli.define_tensorboard()
    cli.run(
        lambda argv: cross_validate(argv[1:], config.value, workdir.value, tensorboard=tensorboard.value),
        processes=True,
    )


def cross_validate(
    arguments: Sequence[str], config: Any, workdir: str | None, *, tensorboard: bool | None = None
) -> None:
    """Trains, tests, reports."""
    if arguments:
        raise UserError(f"{arguments[0]!r} is not a flag; recipes are given as --config hadamard:uva_nemo.")

    from dfuse_jax.experiments import crossval, recipe
    from dfuse_jax.experiments import workdir as workdirs
    from dfuse_jax.report import run as report
    from dfuse_jax.runtime import messages

    directory = pathlib.Path(workdir or workdirs.default(config.name, config.to_dict()))
    messages.say(f"{config.name}: {recipe.note(config)}")
    results = crossval.cross_validate(config, directory, tensorboard=tensorboard)
    if results is None:
        messages.say(f"This run is finished: {directory}/report.html. Another --workdir starts afresh.")
        return
    messages.say(report.console(results))
    messages.say(f"Report: {directory}/report.html")

"""Cross-validates a recipe: all folds and runs at once.

python launch/cv.py --config configs/hadamard.py[:uva_nemo|mmi|spos|bbc] [--workdir DIR] [--config.train.epochs=5 ...]
"""

import pathlib

from absl import flags

from dfuse_jax.runtime import cli

_CONFIG = cli.define_config("configs/hadamard.py")
_WORKDIR = flags.DEFINE_string(
    "workdir",
    None,
    "Folder of the results; the same command on the same folder goes on where it stopped. Default: one of its own for "
    "every config, under results/.",
)


def main(argv):
    """Trains, tests, reports."""
    if len(argv) > 1:
        raise cli.UserError(f"{argv[1]!r} is not a flag; recipes are given as --config configs/hadamard.py:uva_nemo.")
    config = _CONFIG.value

    from dfuse_jax.experiments import crossval, recipe, workdir  # only now: --help need not wait for JAX
    from dfuse_jax.report import run as report
    from dfuse_jax.runtime import messages

    directory = pathlib.Path(_WORKDIR.value or workdir.default(config.name, config.to_dict()))
    messages.say(f"{config.name}: {recipe.note(config)}")
    results = crossval.cross_validate(config, directory)
    if results is None:
        messages.say(f"This run is finished: {directory}/report.md. Another --workdir starts afresh.")
        return
    messages.say(report.console(results))
    messages.say(f"Results: {directory}/")


if __name__ == "__main__":
    cli.run(main, processes=True)

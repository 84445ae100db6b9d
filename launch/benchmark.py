"""Compares fusions over the same folds, seeds and data, in one table.

python launch/compare.py --config configs/compare.py[:uva_nemo|mmi|spos|bbc] [--config.fusions=hadamard,film ...]
"""

import pathlib

from absl import flags

from dfuse_jax.runtime import cli

_CONFIG = cli.define_config("configs/compare.py")
_WORKDIR = flags.DEFINE_string(
    "workdir",
    None,
    "Folder of the results; the same command on the same folder goes on where it stopped, and other fusions may be "
    "added to it. Default: one of its own for every recipe, under results/.",
)


def main(argv):
    """Runs what is not done yet, and writes the table."""
    if len(argv) > 1:
        raise cli.UserError(f"{argv[1]!r} is not a flag; fusions are given as --config.fusions=hadamard,film.")
    config = _CONFIG.value
    if "fusions" not in config:
        raise cli.UserError("--config is the recipe of a single fusion; launch/cv.py runs it.")

    from dfuse_jax.experiments import compare, recipe, workdir  # only now: --help need not wait for JAX
    from dfuse_jax.report.comparison import words
    from dfuse_jax.runtime import messages

    directory = pathlib.Path(_WORKDIR.value or workdir.default(config.name, compare.shared_config(config)))
    messages.say(f"{config.name}: {recipe.note(config)}")
    table = compare.compare(config, directory)
    messages.say(words.console(table))
    messages.say(f"Results: {directory}/benchmark.md")


if __name__ == "__main__":
    cli.run(main, processes=True)

"""Compares fusions over the same folds, seeds and data, in one table.

python launch/benchmark.py --config configs/benchmark.py[:uva_nemo|mmi|spos|bbc] [--config.fusions=hadamard,film ...]
"""

import hashlib
import json
import pathlib

from absl import flags

from dfuse_jax import cli

_CONFIG = cli.define_config("configs/benchmark.py")
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

    from dfuse_jax import benchmark  # only now: --help need not wait for JAX
    from dfuse_jax.report import sheets

    digest = hashlib.sha256(json.dumps(benchmark.shared(config), sort_keys=True).encode()).hexdigest()[:8]
    directory = pathlib.Path(_WORKDIR.value or f"results/{config.name}-{digest}")
    cli.say(f"{config.name}: {config.note}")
    found = benchmark.run(config, directory, cli.say)
    cli.say(sheets.console(found))
    cli.say(f"Results: {directory}/benchmark.md")


if __name__ == "__main__":
    cli.run(main, processes=True)

"""`tfds build` with the builders of dfuse_jax (uva_nemo, mmi, spos, bbc), without TensorFlow.

dfuse-build uva_nemo --manual_dir DIR --data_dir DATA [--chips]
dfuse-cv --config hadamard:uva_nemo --config.data.dir=DATA

--chips stores aligned 128x128 pictures of the face too, for systems that see pixels. Otherwise it is the command of
TFDS itself, with all its flags. `tfds` (4.9.10) starts only where TensorFlow, Apache Beam and mlcroissant are
installed, which its other commands need; there, it is
`tfds build uva_nemo --imports dfuse_jax.data.build.builders ...`.
"""

import pathlib
import sys
from collections.abc import Sequence

from absl import logging

from dfuse_jax.runtime import cli
from dfuse_jax.runtime.errors import UserError


def main() -> None:
    """Runs the command."""
    if "--version" not in sys.argv:
        sys.argv[1:1] = ["--"]  # the flags are those of TFDS
    cli.run(build)


def build(argv: Sequence[str]) -> None:
    """Builds the data sets that are named; TFDS parses the command line."""
    from dfuse_jax.data.databases import DATABASES
    from dfuse_jax.data.layouts import tfds

    tfds.require()
    logging.set_verbosity(logging.ERROR)  # it warns of data sets that do not exist yet
    from tensorflow_datasets.scripts.cli import build, cli_utils

    from dfuse_jax.data.build import builders

    argv = list(argv)
    if "--chips" in argv:
        argv.remove("--chips")
        builders.store_chips()
    parse = cli_utils.make_flags_parser(build.Args, description=str(__doc__))
    args = parse([*argv, "--imports=dfuse_jax.data.build.builders"])
    names = args.positional_datasets + args.datasets
    if not names or set(names) - set(DATABASES):
        raise UserError(f"name one of {', '.join(DATABASES)}, not {', '.join(names) or 'nothing'}.")
    for name in names:
        built = tfds.find(pathlib.Path(args.paths.data_dir), name)
        if built is not None and not args.debug.overwrite:
            print(f"{built}: exists and is kept; --overwrite builds it anew, from what is extracted.", flush=True)
    try:
        args.execute()
    except (OSError, RuntimeError) as error:  # a RuntimeError by array_record for a full disk
        reason = " ".join(str(error).split())
        raise UserError(f"{reason}. The same command goes on from the landmarks that are extracted.") from error

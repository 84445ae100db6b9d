"""Makes a data set of your own videos: reads a CSV table (path,label,subject), writes landmarks to DIR/<video>.npz.

dfuse-dataset videos.csv --out DIR
dfuse-cv --config hadamard:folder --config.data.dir=DIR

label: spontaneous (or 1) or posed (or 0); subject: empty where unknown; path: from the table's own folder. An optional
column `name` names videos whose files have the same name; a column `pixel_aspect` (16:15) says how wide their pixels
are, where the files do not.
"""

import pathlib
from collections.abc import Sequence

from absl import flags

from dfuse_jax.runtime import cli
from dfuse_jax.runtime.errors import UserError


def main() -> None:
    """Runs the command."""
    out = flags.DEFINE_string("out", None, "Folder for the data set; made if it does not exist, continued if it does.")
    cli.run(lambda argv: make(argv[1:], out.value))


def make(tables: Sequence[str], out: str | None) -> None:
    """Extracts what can be extracted, then raises UserError with the reasons for the rest."""
    if len(tables) != 1:
        raise UserError("give one table. Usage: dfuse-dataset videos.csv --out DIR")
    if not out:
        raise UserError("--out is missing: the folder for the data set.")

    from dfuse_jax.data import dataset
    from dfuse_jax.data.layouts import folder

    directory = pathlib.Path(out)
    failed = folder.make(pathlib.Path(tables[0]), directory)
    print(f"{directory}: {dataset.describe(folder.read(directory).samples, [])}")
    print(f"Train on it: dfuse-cv --config hadamard:folder --config.data.dir={directory}")
    if failed:
        raise UserError("\n".join([f"{len(failed)} videos are left out:", *failed.values()]))

"""Makes a data set of your own videos: reads a CSV table (path,label,subject), writes landmarks to DIR/<video>.npz.

python launch/dataset.py videos.csv --out DIR
python launch/cv.py --config configs/hadamard.py:folder --config.data.dir=DIR

label: spontaneous (or 1) or posed (or 0); subject: empty where unknown; path: from the table's own folder. An optional
column `name` names videos whose files have the same name; a column `pixel_aspect` (16:15) says how wide their pixels
are, where the files do not.
"""

import pathlib

from absl import flags

from dfuse_jax.data import dataset
from dfuse_jax.data.layouts import folder
from dfuse_jax.runtime import cli
from dfuse_jax.runtime.errors import UserError

_OUT = flags.DEFINE_string("out", None, "Folder for the data set; made if it does not exist, continued if it does.")


def main(argv):
    """Extracts what can be extracted, then raises UserError with the reasons for the rest."""
    if len(argv) != 2:
        raise UserError("give one table. Usage: python launch/dataset.py videos.csv --out DIR")
    if not _OUT.value:
        raise UserError("--out is missing: the folder for the data set.")
    out = pathlib.Path(_OUT.value)
    failed = folder.make(pathlib.Path(argv[1]), out)
    print(f"{out}: {dataset.describe(folder.read(out).samples, [])}")
    print(f"Train on it: python launch/cv.py --config configs/hadamard.py:folder --config.data.dir={out}")
    if failed:
        raise UserError("\n".join([f"{len(failed)} videos are left out:", *failed.values()]))


if __name__ == "__main__":
    cli.run(main)

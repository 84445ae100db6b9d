"""Makes a data set of your own videos or landmarks: reads a CSV table (path,label,subject), writes DIR/<name>.npz.

dfuse-dataset videos.csv --out DIR
dfuse-cv --config hadamard:folder --config.data.dir=DIR

label: spontaneous (or 1) or posed (or 0); subject: empty where unknown; path: from the table's own folder. An optional
column `name` names videos whose files have the same name; columns `pixel_aspect` (16:15) and `fps` say how wide pixels
are and how many frames there are in a second, where the files do not.

A path may name a file of landmarks in place of a video: a .npz that dfuse-extract made; a NumPy array [frames, 478, 3]
(.npy); or a .csv with a line for each landmark (frame,landmark,x,y,z) or for each frame (x0,y0,z0 to x477,y477,z477).
The last three need the columns fps, width and height (of the image, in pixels), and a column `units` (fractions or
pixels) unless they are MediaPipe's fractions.
"""

import pathlib
from collections.abc import Sequence

from absl import flags

from dfuse_jax.runtime import cli
from dfuse_jax.runtime.errors import UserError


def main() -> None:
    """Runs the command."""
    out = flags.DEFINE_string("out", None, "Folder for the data set; made if it does not exist, continued if it does.")
    chips = cli.define_chips()
    cli.run(lambda argv: make(argv[1:], out.value, chips=chips.value))


def make(tables: Sequence[str], out: str | None, *, chips: bool = False) -> None:
    """Extracts what can be extracted, then raises UserError with the reasons for the rest."""
    if len(tables) != 1:
        raise UserError("give one table. Usage: dfuse-dataset videos.csv --out DIR")
    if not out:
        raise UserError("--out is missing: the folder for the data set.")

    from dfuse_jax.data import dataset
    from dfuse_jax.data.layouts import folder

    directory = pathlib.Path(out)
    failed = folder.make(pathlib.Path(tables[0]), directory, chips=chips)
    made = folder.read(directory)
    print(f"{directory}: {dataset.describe(made.samples, [])}")
    for note in made.notes:
        print(f"{directory}: {note}")
    print(f"Train on it: dfuse-cv --config hadamard:folder --config.data.dir={directory}")
    if failed:
        raise UserError("\n".join([f"{len(failed)} files are left out:", *failed.values()]))

"""Tells from videos whether a smile is spontaneous, by the models of a finished cross-validation.

python launch/predict.py --checkpoint DIR VIDEO... [--out DIR]

A VIDEO may also be a .npz that launch/extract.py made of one.
"""

import pathlib

from absl import flags

from dfuse_jax.runtime import cli
from dfuse_jax.runtime.errors import UserError

_CHECKPOINT = flags.DEFINE_string("checkpoint", None, "Folder of a finished launch/cv.py run (its --workdir).")
_OUT = flags.DEFINE_string("out", ".", "Folder for the plots, <video's name>.png; made if it is not there.")


def main(argv):
    """Prints a line and draws a plot for every video, then raises UserError with the reasons for those it could not."""
    if len(argv) < 2 or not _CHECKPOINT.value:
        raise UserError(
            "Usage: python launch/predict.py --checkpoint DIR VIDEO... (DIR: the --workdir of launch/cv.py)"
        )
    from dfuse_jax.experiments import predict as prediction

    trained = prediction.load(pathlib.Path(_CHECKPOINT.value))
    print(f"{trained.name}: {trained.note}")
    reasons = []
    for video in argv[1:]:
        try:
            print(prediction.tell(trained, video, pathlib.Path(_OUT.value)), flush=True)
        except UserError as error:
            reasons.append(str(error))
    if reasons:
        head = [f"{len(reasons)} of {len(argv) - 1} videos not told:"] if len(argv) > 2 else []
        raise UserError("\n".join(head + reasons))


if __name__ == "__main__":
    cli.run(main)

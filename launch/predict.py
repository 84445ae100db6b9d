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
    from dfuse_jax.experiments import predict  # only now: --help need not wait for JAX

    trained = predict.load(_CHECKPOINT.value)
    print(f"{trained.name}: {trained.note}")
    reasons = []
    for video in argv[1:]:
        try:
            print(judge(trained, video, pathlib.Path(_OUT.value)), flush=True)
        except UserError as error:
            reasons.append(str(error))
    if reasons:
        head = [f"{len(reasons)} of {len(argv) - 1} videos could not be judged:"] if len(argv) > 2 else []
        raise UserError("\n".join(head + reasons))


def judge(trained, video: str, out: pathlib.Path) -> str:
    """Returns a line on a video and what must be known of it, and draws its signals to <out>/<name>.png."""
    from dfuse_jax import samples
    from dfuse_jax.extract import flags
    from dfuse_jax.extract.landmarks import extract_landmarks

    extracted = video.endswith(".npz")
    sample = samples.load(video) if extracted else extract_landmarks(video)
    probabilities = trained.predict(sample)
    verdict = f"spontaneous with probability {probabilities.mean():.1%}"
    plot = out / f"{sample.name}.png"
    try:
        out.mkdir(parents=True, exist_ok=True)
        trained.plot(sample, plot, f"{sample.name}: {verdict}\n{trained.name}: {trained.note}")
    except OSError as error:
        raise UserError(f"--out {out}: {plot.name} cannot be written ({error.strerror}).") from error
    models = f"{len(probabilities)} models, {probabilities.min():.1%} to {probabilities.max():.1%}"
    frames, clip = len(sample.landmarks), trained.config["train"]["clip_frames"]
    caution = f"; caution: its {frames} frames are less than a clip of {clip}" if frames < clip else ""
    notes = [*flags.notes(sample.flags), *([samples.OLD] if extracted and samples.is_old(video) else [])]
    lines = [f"{video}: {note}" for note in notes]
    return "\n".join([f"{video}: {verdict} ({models}); signals in {plot}{caution}", *lines])


if __name__ == "__main__":
    cli.run(main)

"""Tells from videos whether a smile is spontaneous, by the models of a finished cross-validation.

dfuse-predict --checkpoint DIR VIDEO... [--out DIR]

A VIDEO may also be a .npz that dfuse-extract made of one. --pixel_aspect and --fps are as there.
"""

import pathlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from absl import flags

from dfuse_jax.runtime import cli
from dfuse_jax.runtime.errors import UserError

if TYPE_CHECKING:
    from dfuse_jax.experiments.predict import Trained
    from dfuse_jax.samples import Sample


def main() -> None:
    """Runs the command."""
    checkpoint = flags.DEFINE_string("checkpoint", None, "Folder of a finished dfuse-cv run (its --workdir).")
    out = flags.DEFINE_string("out", ".", "Folder for the plots, <video's name>.png; made if it is not there.")
    pixel_aspect = flags.DEFINE_string(
        "pixel_aspect",
        None,
        "Width / height of a pixel, such as 16:15 for PAL, where the videos do not say, or wrongly.",
    )
    fps = flags.DEFINE_float("fps", None, "Frames per second, where the videos do not say, or wrongly.", lower_bound=1)
    cli.run(
        lambda argv: predict(
            argv[1:], checkpoint.value, pathlib.Path(out.value), pixel_aspect=pixel_aspect.value, fps=fps.value
        )
    )


def predict(
    videos: Sequence[str], checkpoint: str | None, out: pathlib.Path, *, pixel_aspect: str | None, fps: float | None
) -> None:
    """Prints a line and draws a plot for every video, then raises UserError with the reasons for those it could not."""
    if not videos or not checkpoint:
        raise UserError("Usage: dfuse-predict --checkpoint DIR VIDEO... (DIR: the --workdir of dfuse-cv)")
    _check_names(videos)

    from dfuse_jax.experiments.predict import load
    from dfuse_jax.runtime.files import escaped

    trained = load(checkpoint)
    print(f"{trained.name}: {trained.note}")
    reasons = []
    for video in videos:
        try:
            sample, notes = read(video, pixel_aspect=pixel_aspect, fps=fps)
            lines = [judge(trained, sample, out), *notes]
        except UserError as error:
            reasons.append(str(error))
        else:
            print(escaped("\n".join(f"{video}: {line}" for line in lines)), flush=True)
    if reasons:
        head = [f"{len(reasons)} of {len(videos)} videos could not be judged:"] if len(videos) > 1 else []
        raise UserError("\n".join(head + reasons))


def judge(trained: "Trained", sample: "Sample", out: pathlib.Path) -> str:
    """Returns the verdict on a smile, and draws its signals to <out>/<name>.png."""
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
    return f"{verdict} ({models}); signals in {plot}{caution}"


def read(video: str, *, pixel_aspect: str | None, fps: float | None) -> tuple["Sample", Sequence[str]]:
    """Returns the sample of a video or a .npz, and what must be known of it, whole sentences."""
    from dfuse_jax import samples
    from dfuse_jax.extract import flags
    from dfuse_jax.extract.landmarks import extract
    from dfuse_jax.extract.video import parse_pixel_aspect

    if video.endswith(".npz"):
        sample = samples.load(video)
        return sample, [*flags.notes(sample.flags), *([samples.OLD] if samples.is_old(video) else [])]
    aspect = parse_pixel_aspect(pixel_aspect) if pixel_aspect else None
    extraction = extract(video, pixel_aspect=aspect, fps=fps)
    return extraction.sample, extraction.notes


def _check_names(videos: Iterable[str]) -> None:
    """Raises UserError if two videos would draw the same plot."""
    by_name = {}
    for video in videos:
        path = pathlib.Path(video)
        other = by_name.setdefault(path.stem, path)
        if other.resolve() != path.resolve() and other.with_suffix("") != path.with_suffix(""):
            raise UserError(f"{other} and {path} have the same name, and so would their plots. Judge them one by one.")

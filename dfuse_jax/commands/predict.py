"""Tells from videos whether a smile is spontaneous, by the models of a finished cross-validation, or exports these.

dfuse-predict --checkpoint RUN VIDEO... [--models=10] [--out DIR]
dfuse-predict --export=model.npz RUN [--model=1/3]

RUN is the --workdir of a finished dfuse-cv, or a file that --export made. A VIDEO may also be a .npz that dfuse-extract
made of one. --pixel_aspect and --fps are as there. --models asks so many of the run's models, spread over its folds,
instead of all: an answer takes as much less time.

--export writes one file with one model, its recipe and its model card, to be passed on, and prints the card. --model is
the number of the model's run and of its fold, 1/1 unless given. Either may be "all": all/2 are the models of fold 2,
whose probabilities are averaged, and all/all are those that --checkpoint RUN asks.
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

RATE_TOLERANCE = 1.25  # 24 and 30 frames per second are alike to a model of 16 frames a clip, 25 and 50 are not


def main() -> None:
    """Runs the command."""
    checkpoint = flags.DEFINE_string(
        "checkpoint", None, "Folder of a finished dfuse-cv run (its --workdir), or a file that --export made."
    )
    export_to = flags.DEFINE_string("export", None, "File to write a model to, such as model.npz.")
    model = flags.DEFINE_string("model", None, "Which model to export: run/fold, each a number from 1, or all.")
    models = flags.DEFINE_integer(
        "models", None, "How many of the run's models to ask, spread over its folds; all unless given.", lower_bound=1
    )
    out = flags.DEFINE_string("out", ".", "Folder for the plots, <video's name>.png; made if it is not there.")
    pixel_aspect = flags.DEFINE_string(
        "pixel_aspect",
        None,
        "Width / height of a pixel, such as 16:15 for PAL, where the videos do not say, or wrongly.",
    )
    fps = flags.DEFINE_float("fps", None, "Frames per second, where the videos do not say, or wrongly.", lower_bound=1)

    def run(argv: list[str]) -> None:
        if export_to.value is not None:
            export(argv[1:], checkpoint.value, export_to.value, model=model.value or "1/1")
        elif model.value is not None:
            raise UserError("--model says what to export: give --export, too.")
        else:
            predict(
                argv[1:],
                checkpoint.value,
                pathlib.Path(out.value),
                models=models.value,
                pixel_aspect=pixel_aspect.value,
                fps=fps.value,
            )

    cli.run(run)


def export(runs: Sequence[str], checkpoint: str | None, path: str, *, model: str) -> None:
    """Writes models of a finished run to a file and prints their card."""
    given = [*runs, *([checkpoint] if checkpoint else [])]
    if len(given) != 1 or not path:
        raise UserError("Usage: dfuse-predict --export=model.npz RUN (RUN: the --workdir of one finished dfuse-cv)")
    numbers = [_parse_number(word, model) for word in model.split("/")]
    if len(numbers) != 2:
        raise _not_a_model(model)

    from dfuse_jax.experiments.predict import load
    from dfuse_jax.report.card import describe

    run, fold = numbers
    exported = load(given[0]).export(path, run=run, fold=fold)
    print(f"{exported.card}\n{path}: {describe(exported.models)}. The card above is in it: pass both on together.")


def _parse_number(word: str, model: str) -> int | None:
    """Returns a number of --model, None for all."""
    if word == "all":
        return None
    if not word.isdecimal():
        raise _not_a_model(model)
    return int(word)


def _not_a_model(model: str) -> UserError:
    return UserError(f"--model is {model!r}: expected run/fold, each a number from 1 or all, such as 1/3 or all/3.")


def predict(
    videos: Sequence[str],
    checkpoint: str | None,
    out: pathlib.Path,
    *,
    models: int | None,
    pixel_aspect: str | None,
    fps: float | None,
) -> None:
    """Prints a line and draws a plot for every video, then raises UserError with the reasons for those it could not."""
    if not videos or not checkpoint:
        raise UserError(
            "Usage: dfuse-predict --checkpoint DIR VIDEO... (DIR: the --workdir of dfuse-cv, or an exported model)"
        )
    _check_names(videos)

    from dfuse_jax.experiments.predict import load
    from dfuse_jax.runtime.files import escaped

    trained = load(checkpoint)
    print(f"{trained.name}: {trained.note}")
    if models is not None:
        print(f"{models} of its {len(trained.models)} models, spread over the folds, are asked.")
        trained = trained.some(models)
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
    models = "1 model"
    if len(probabilities) > 1:
        models = f"{len(probabilities)} models, {probabilities.min():.1%} to {probabilities.max():.1%}"
    frames, clip = len(sample.landmarks), trained.config.get("train", {}).get("clip_frames", 0)
    cautions = [f"its {frames} frames are less than a clip of {clip}"] if frames < clip else []
    rates = trained.results["data"].get("fps")
    if rates and not rates[0] / RATE_TOLERANCE <= sample.fps <= rates[1] * RATE_TOLERANCE:
        learnt = " to ".join(f"{rate:.4g}" for rate in sorted(set(rates)))
        cautions.append(f"it has {sample.fps:.4g} frames per second, and the training videos had {learnt}")
    return "; caution: ".join([f"{verdict} ({models}); signals in {plot}", *cautions])


def read(video: str, *, pixel_aspect: str | None, fps: float | None) -> tuple["Sample", Sequence[str]]:
    """Returns the sample of a video or a .npz, and what must be known of it, whole sentences."""
    from dfuse_jax import samples
    from dfuse_jax.extract import flags
    from dfuse_jax.extract.landmarks import extract
    from dfuse_jax.extract.video import parse_pixel_aspect

    if video.endswith(".npz"):
        sample = samples.load(video)
        unflagged = [f"its file carries {flags.UNKNOWN}"] if sample.flags is None else []
        return sample, [*flags.notes(sample.flags), *([samples.OLD] if samples.is_old(video) else unflagged)]
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

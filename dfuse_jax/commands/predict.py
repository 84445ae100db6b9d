"""Tells from videos whether a smile is spontaneous, by the models of a finished cross-validation, or exports these.

dfuse-predict --checkpoint RUN VIDEO|FOLDER... [--models=10] [--out DIR] [--format=text|json|csv] [--explain]
dfuse-predict --export=model.npz RUN [--model=1/3]

RUN is the --workdir of a finished dfuse-cv, or a file that --export made. A VIDEO may also be a .npz that dfuse-extract
or dfuse-analyse made of one, and a FOLDER stands for all of these in it. --pixel_aspect and --fps are as in
dfuse-extract. --models asks so many of the run's models, spread over its folds, instead of all: an answer takes as much
less time. A smile that rests on too many frames in which the face was covered, dark or turned away is not judged.
Nothing is written over: where DIR has a plot of that name, the new one gets a number.

--explain also says what each answer rests on, as a picture and as JSON, DIR/<name>_explained.png and .json: how much
lips, cheeks and eyes moved it as the smile began, at its height and as it faded, and how much the moving face itself.
A video is compared with training videos, or with those of --background FOLDER, which an exported model needs.

--export writes one file with one model, its recipe and its model card, to be passed on, and prints the card. --model is
the number of the model's run and of its fold, 1/1 unless given. Either may be "all": all/2 are the models of fold 2,
whose probabilities are averaged, and all/all are those that --checkpoint RUN asks.
"""

import contextlib
import csv
import io
import json
import pathlib
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from absl import flags

from dfuse_jax.runtime import cli
from dfuse_jax.runtime.errors import UserError

if TYPE_CHECKING:
    from dfuse_jax.experiments.explain import Explainer
    from dfuse_jax.experiments.predict import Trained, Verdict
    from dfuse_jax.samples import Sample

COLUMNS = (
    "video",
    "judged",
    "reason",
    "probability",
    "lowest",
    "highest",
    "models",
    "cautions",
    "notes",
    "plot",
    "run",
)
EXPLANATION = "explanation"  # one more column
TITLE_WIDTH = 95  # characters of a line of a picture's title


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
    explained = flags.DEFINE_bool("explain", False, "Also say what every answer rests on, in a picture and in JSON.")
    background = flags.DEFINE_string(
        "background", None, "Folder of videos or samples that --explain compares with, instead of training videos."
    )
    form = flags.DEFINE_enum("format", "text", ["text", "json", "csv"], "How the verdicts are printed.")
    pixel_aspect = cli.define_pixel_aspect()
    fps = cli.define_fps()

    def run(argv: list[str]) -> None:
        if export_to.value is not None:
            export(argv[1:], checkpoint.value, export_to.value, model=model.value or "1/1")
        elif model.value is not None:
            raise UserError("--model says what to export: give --export, too.")
        elif background.value is not None and not explained.value:
            raise UserError("--background says what --explain compares with: give --explain, too.")
        else:
            predict(
                argv[1:],
                checkpoint.value,
                pathlib.Path(out.value),
                models=models.value,
                form=form.value,
                explained=explained.value,
                background=background.value,
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
    from dfuse_jax.report.run.card import describe

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
    arguments: Sequence[str],
    checkpoint: str | None,
    out: pathlib.Path,
    *,
    models: int | None,
    form: str,
    explained: bool,
    background: str | None,
    pixel_aspect: str | None,
    fps: float | None,
) -> None:
    """Prints a verdict and draws a plot of every video, then raises UserError with the reasons for those it could not.

    Where it is to be explained, a second picture and its JSON follow. Text and CSV are printed line by line, JSON at
    the end.
    """
    if not arguments or not checkpoint:
        raise UserError(
            "Usage: dfuse-predict --checkpoint DIR VIDEO... (DIR: the --workdir of dfuse-cv, or an exported model)"
        )
    from dfuse_jax.experiments.predict import load
    from dfuse_jax.runtime.files import escaped

    videos = find(arguments)
    trained = load(checkpoint)
    if form == "text":
        print(f"{trained.name}: {trained.note}")
    if models is not None:
        if form == "text":
            print(f"{models} of its {len(trained.models)} models, spread over the folds, are asked.")
        trained = trained.some(models)
    explainer = None
    if explained:
        from dfuse_jax.experiments.explain import explainer as prepare

        others = (
            [read(video, pixel_aspect=pixel_aspect, fps=fps)[0] for video in find([background])] if background else None
        )
        explainer = prepare(trained, others)
    if form == "csv":
        print(_csv_line((*COLUMNS, *([EXPLANATION] if explainer else []))))
    rows, reasons = [], []
    for video in videos:
        try:
            sample, notes = read(video, pixel_aspect=pixel_aspect, fps=fps)
            verdict = trained.judge(sample)
            plot = draw(trained, sample, verdict, out)
            lines = [describe(verdict, plot), *notes]
            row = _row(video, verdict, notes, plot, trained.name)
            if explainer is not None:
                why, row[EXPLANATION] = explain(explainer, sample, verdict, plot)
                lines += why
        except UserError as error:
            reasons.append(str(error))
            continue
        rows.append(row)
        if form == "text":
            print(escaped("\n".join(f"{video}: {line}" for line in lines)), flush=True)
        if form == "csv":
            joined = ["; ".join(x) if isinstance(x, list) else x for x in row.values()]
            print(escaped(_csv_line(joined)), flush=True)
    if form == "json":
        print(json.dumps({"run": trained.name, "note": trained.note, "videos": rows}, indent=2))
    if reasons:
        head = [f"{len(reasons)} of {len(videos)} videos could not be judged:"] if len(videos) > 1 else []
        raise UserError("\n".join(head + reasons))


def find(arguments: Sequence[str]) -> list[str]:
    """Returns the videos and samples that are meant, each once; a folder stands for those in it, sorted.

    Raises:
        UserError: a folder without any.
    """
    from dfuse_jax.extract.video import find_videos

    paths: dict[pathlib.Path, str] = {}
    for argument in arguments:
        inside = [pathlib.Path(argument)]
        if inside[0].is_dir():
            inside = sorted([*find_videos(argument), *inside[0].rglob("*.npz")])
            if not inside:
                raise UserError(f"{argument}: no videos in this folder, nor samples (.npz).")
        for path in inside:
            paths.setdefault(path.resolve(), str(path))
    return list(paths.values())


def describe(verdict: "Verdict", plot: pathlib.Path) -> str:
    """Returns the verdict as a line."""
    return "; caution: ".join([f"{_headline(verdict)}; signals in {plot}", *verdict.cautions])


def draw(trained: "Trained", sample: "Sample", verdict: "Verdict", out: pathlib.Path) -> pathlib.Path:
    """Draws the signals of a smile to <out>/<name>.png, or a name with a number where that is taken; returns which."""
    plot = out / f"{sample.name}.png"
    with _writing(plot):
        out.mkdir(parents=True, exist_ok=True)
        plot = _unused(plot)
        trained.plot(sample, plot, _title(trained, sample, verdict))
    return plot


def explain(
    explainer: "Explainer", sample: "Sample", verdict: "Verdict", plot: pathlib.Path
) -> tuple[list[str], str | None]:
    """Writes what an answer rests on beside its plot; returns lines that say it, and the path of the JSON.

    A smile that was not judged has no explanation: no line and None.
    """
    from dfuse_jax.report import explanation as report

    if verdict.reason:
        return [], None
    explanation = explainer.explain(sample)
    picture = _unused(plot.with_name(f"{plot.stem}_explained.png"))
    table = picture.with_suffix(".json")
    with _writing(picture):
        explainer.write(explanation, sample, picture, table, title=_title(explainer.trained, sample, verdict))
    return [f"why: {report.describe(explanation)}; picture in {picture}", *explanation.notes], str(table)


@contextlib.contextmanager
def _writing(path: pathlib.Path) -> Iterator[None]:
    """Turns a file that cannot be written into a UserError."""
    try:
        yield
    except OSError as error:
        raise UserError(f"--out {path.parent}: {path.name} cannot be written ({error.strerror}).") from error


def _unused(path: pathlib.Path) -> pathlib.Path:
    """Returns the path, or one with a number where that is taken."""
    candidate, number = path, 2
    while candidate.exists():
        candidate = path.with_stem(f"{path.stem}_{number}")
        number += 1
    return candidate


def _title(trained: "Trained", sample: "Sample", verdict: "Verdict") -> str:
    note = textwrap.fill(f"{trained.name}: {trained.note}", TITLE_WIDTH)
    return f"{sample.name}: {_headline(verdict)}\n{note}"


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


def _headline(verdict: "Verdict") -> str:
    if verdict.reason:
        return f"not judged: {verdict.reason}"
    probabilities = verdict.probabilities
    models = "1 model"
    if len(probabilities) > 1:
        models = f"{len(probabilities)} models, {probabilities.min():.1%} to {probabilities.max():.1%}"
    return f"spontaneous with probability {probabilities.mean():.1%} ({models})"


def _row(video: str, verdict: "Verdict", notes: Sequence[str], plot: pathlib.Path, run: str) -> dict[str, Any]:
    """Returns {column: value} of COLUMNS, in that order."""
    known = verdict.probabilities.astype(float)
    numbers = [float(known.mean()), float(known.min()), float(known.max())] if len(known) else [None] * 3
    values = [video, not verdict.reason, verdict.reason, *numbers, len(known), list(verdict.cautions), list(notes)]
    return dict(zip(COLUMNS, [*values, str(plot), run], strict=True))


def _csv_line(values: Sequence[Any]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()

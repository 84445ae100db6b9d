"""The model card: what models were trained on and reached, and what they may and must not be used for."""

from collections.abc import Mapping, Sequence

from dfuse_jax.constants import NUM_LANDMARKS
from dfuse_jax.data.databases import DATABASES
from dfuse_jax.evaluate.metrics import METRICS
from dfuse_jax.evaluate.outcome import PROTOCOLS
from dfuse_jax.report import subgroups
from dfuse_jax.report.formatting import (
    CONFIDENCE,
    METRIC_NAMES,
    count,
    escape,
    estimate,
    markdown_list,
    markdown_table,
    percent,
    value_range,
)
from dfuse_jax.report.run.words import facts, remarks

OUTPUT = "It gives the probability that a smile is spontaneous."
MEANING = (
    "This number says how alike a smile is to those that were elicited, rather than asked for, in the data that it was "
    "trained on. It says nothing about honesty, character or intent."
)
SYNTHETIC = (
    "**Trained on synthetic smiles**, which a program drew. It has never seen a person, and what it says about one "
    "means nothing."
)
COORDINATES = {  # other than the paper's
    "face": "the pose of the head is taken out of them",
    "motion": "they show what has moved in the face since the video began, so it must begin before the smile does",
}
INTENDED = (
    "Research on the smiles of people who know of it and have agreed, filmed like those that it was trained on.",
    "Comparison with other methods, on the same data and under the same protocol.",
)
INTENDED_SYNTHETIC = ("Trying out dfuse_jax and the programs that read this file.",)
EXCLUDED = (
    "It is not a lie detector. Do not use it to judge what a person feels, means or deserves.",
    "Do not use it in decisions about people, such as on work, education, credit, insurance, asylum, policing or "
    "medical treatment.",
    "The EU AI Act (Regulation 2024/1689), Article 5(1)(f), has banned inferring the emotions of people at work and in "
    "education since 2 February 2025, except for medical or safety reasons. Other emotion recognition counts as "
    "high-risk (Annex III), and from 2 August 2026 the people exposed to it must be told (Article 50(3)). Whether "
    '"spontaneous or posed" is an emotion or intention in the sense of Article 3(39) is open: treat it as if it were.',
    "Landmarks of a person's face are personal data under the GDPR, and biometric data where they serve to identify. "
    "This model identifies nobody; keep nothing that you do not need.",
)
SCIENCE = (
    "Many posed smiles have the marks of a spontaneous one: people who posed showed the Duchenne marker as often "
    "(Krumhuber and Manstead 2009), and about a quarter of people can show it on request (Gunnery et al. 2012)."
)
ADVICE = "This is no legal advice, and its sources are secondary: have a lawyer read the law before you rely on it."


def markdown(results: Mapping, models: Sequence[tuple[int, int]]) -> str:
    """Returns the card of some models of a run.

    Args:
        results: of the run, as `compute_results` returns them.
        models: (run, fold) of each, from 1.
    """
    source = results["config"]["data"]["source"]
    synthetic = source == "synthetic"
    rows = [
        [f"`{protocol}`", *(estimate(results["protocols"][protocol]["summary"][metric]) for metric in METRICS)]
        for protocol in PROTOCOLS
    ]
    parts = [
        f"# Model card: {escape(results['name'])}",
        " ".join([escape(results["note"]), OUTPUT, *([] if synthetic else [MEANING])]),
        "## What it is",
        markdown_list([*_identity(results, models), *_inputs(results)]),
        "## Data and protocol",
        _source(source),
        markdown_list(facts(results)),
        "## Results",
        f"Of all {count(results['runs'] * results['folds'], 'model')} of the run, on videos that each was not trained "
        f"on. Percent, mean [{CONFIDENCE} interval]:",
        markdown_table(("protocol", *METRIC_NAMES.values()), rows),
        markdown_list([*remarks(results), *_own_results(results, models)]),
        "## Subgroups",
        *_subgroups(results),
        "## Intended use",
        markdown_list(INTENDED_SYNTHETIC if synthetic else INTENDED),
        "## What it must not be used for",
        markdown_list(EXCLUDED),
        f"{SCIENCE} {ADVICE}",
        "## Licence",
        _licence(source),
    ]
    return "\n\n".join(parts) + "\n"


def _subgroups(results: Mapping) -> list[str]:
    if "subgroups" not in results:  # a run of a development version of 0.2
        return ["Unknown: this run was made before its report told them apart."]
    known = results["data"]["subjects"] is not None
    scores = subgroups.markdown(results["subgroups"], subjects_known=known)
    return [f"Of `{results['headline']}`. {scores[0]}", *scores[1:]]


def _identity(results: Mapping, models: Sequence[tuple[int, int]]) -> list[str]:
    """Returns what kind of model it is, which of the run's models, and what made it."""
    config = results["config"]
    network = config["model"]
    kind = [config["system"]]
    kind += [f"{field} `{network[field]}`" for field in ("fusion", "variant") if field in network]
    versions = results["versions"]
    return [
        f"System: {', '.join(kind)}. The whole recipe is `config` in results.json.",
        f"{describe(models)}, of a cross-validation of {count(results['runs'], 'run')} and "
        f"{count(results['folds'], 'fold')}; trained on whole training folds, to the last epoch.",
        f"Made by dfuse_jax {versions['dfuse_jax']} with JAX {versions['jax']}.",
    ]


def describe(models: Sequence[tuple[int, int]]) -> str:
    """Returns which models these are, such as "The model of run 1 and fold 3"."""
    if len(models) == 1:
        return f"The model of run {models[0][0]} and fold {models[0][1]}"
    runs, folds = (sorted(set(numbers)) for numbers in zip(*models, strict=True))
    return (
        f"{len(models)} models, of {_numbered('run', runs)} and {_numbered('fold', folds)}, whose probabilities are "
        "averaged (their weights are not: each began from random numbers of its own)"
    )


def _numbered(noun: str, numbers: Sequence[int]) -> str:
    """Formats `run 2`, or `runs 1-3`."""
    return f"{noun if len(numbers) == 1 else noun + 's'} {value_range(numbers)}"


def _inputs(results: Mapping) -> list[str]:
    """Returns what the models must be given, and what the videos were like that they learnt from."""
    lines = [
        f"Input: the {NUM_LANDMARKS} landmarks of MediaPipe's Attention Mesh in every frame, upright, x and y as "
        "fractions of the image's width and height, with the frame rate and the image's size in square pixels."
    ]
    fps, sizes = results["data"].get("fps"), results["data"].get("image_sizes")
    if fps and sizes:
        rates = " to ".join(f"{rate:.4g}" for rate in sorted(set(fps)))
        images = " to ".join(dict.fromkeys(f"{width} x {height}" for width, height in sizes))
        lines.append(f"Trained on videos of {rates} frames per second and {images} pixels.")
    training = results["config"].get("train", {})
    clip = training.get("clip_frames")
    if clip:
        lines.append(
            f"It sees clips of {clip} frames as they are: at another frame rate, smiles look slower or faster to it."
        )
    coordinates = training.get("clip_coordinates")
    if coordinates in COORDINATES:
        lines.append(f"It sees the landmarks in the coordinates `{coordinates}`: {COORDINATES[coordinates]}.")
    return lines


def _source(source: str) -> str:
    if source == "synthetic":
        return SYNTHETIC
    if source in DATABASES:
        database = DATABASES[source]
        return f"Trained on {database.title}, which is handed out by {database.owner} under an agreement."
    return "Trained on data of its makers. Ask them who was filmed, how, and what these people agreed to."


def _own_results(results: Mapping, models: Sequence[tuple[int, int]]) -> list[str]:
    """Returns what these models reached alone, each on the test videos of its fold."""
    rows = [row for row in results["protocols"]["final"]["folds"] if (row["run"], row["fold"]) in models]
    accuracies = ", ".join(percent(row["accuracy"]) for row in rows[:10]) + (", ..." if len(rows) > 10 else "")
    tested = value_range([row["n_test"] for row in rows])
    if len(models) == 1:
        return [f"This model alone, on the {tested} test videos of its fold (`final`): {accuracies}% accuracy."]
    return [
        f"Each of these models alone, on the {tested} test videos of its fold (`final`): {accuracies}% accuracy. Their "
        "mean has not been tested."
    ]


def _licence(source: str) -> str:
    code = "dfuse_jax is under Apache-2.0. This file states no licence for the weights."
    if source == "synthetic":
        return f"{code} They come from numbers that dfuse_jax drew, and from nobody's data."
    if source in DATABASES:
        return (
            f"{code} They were learnt from a database that is handed out under an agreement: it says whether they may "
            "be passed on, and for what they may be used. Ask its owners before you do."
        )
    return f"{code} Whoever passes them on must say what the people in the data agreed to, and under what terms."

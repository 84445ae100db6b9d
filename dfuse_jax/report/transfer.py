"""Trained models on new videos, in words and tables. It reads the dictionary of evaluation.json."""

from collections.abc import Mapping

from dfuse_jax.evaluate.metrics import METRICS
from dfuse_jax.report import subgroups
from dfuse_jax.report.formatting import (
    CONFIDENCE,
    METRIC_NAMES,
    count,
    escape,
    interval,
    markdown_list,
    markdown_table,
    percent,
)
from dfuse_jax.report.run.words import (
    describe_calibration,
    describe_permutation,
    picture_of_calibration,
    picture_of_roc,
)


def markdown(evaluation: Mapping) -> str:
    """Returns evaluation.md."""
    scores = evaluation["scores"]
    names = {
        "mean": f"mean of {count(evaluation['models'], 'model')}",
        "each": "one model, on average",
        "length_only": "`length_only`",
    }
    rows = [
        [name, *(interval(scores[key][metric]) for metric in METRICS)] for key, name in names.items() if key in scores
    ]
    parts = [
        f"# {escape(evaluation['name'])} on {escape(evaluation['source'])}",
        escape(evaluation["note"]),
        f"Percent [{CONFIDENCE} interval by bootstrap (BCa) over {_resampled(evaluation['data'])}]:",
        markdown_table(("predictions", *METRIC_NAMES.values()), rows),
        markdown_list(remarks(evaluation)),
        picture_of_calibration(evaluation["calibration"]),
        picture_of_roc(evaluation, scores["mean"]["auc"]),
    ]
    if evaluation["subgroups"]:
        known = evaluation["data"]["subjects"] is not None
        parts += ["## Subgroups", *subgroups.markdown(evaluation["subgroups"], subjects_known=known)]
    return "\n\n".join(parts) + "\n"


def console(evaluation: Mapping) -> str:
    """Returns the same for a terminal, which shows no pictures."""
    return "\n\n".join(part for part in markdown(evaluation).split("\n\n") if not part.startswith("!["))


def remarks(evaluation: Mapping) -> list[str]:
    """Returns what a reader must know of the table."""
    data = evaluation["data"]
    classes = ", ".join(f"{number} {name}" for name, number in data["classes"].items())
    lines = [
        f"{count(data['videos'], 'video')} of {data['subjects'] or 'unknown'} subjects: {classes}.",
        *evaluation["cautions"],
    ]
    if evaluation["majority"] is not None:
        lines.append(
            "`length_only`: logistic regression on the number of frames of the run's own videos. Always predicting "
            f"their majority class: {percent(evaluation['majority'])}% accuracy."
        )
    lines.append(describe_permutation(evaluation["permutation"]))
    return [*lines, *describe_calibration(evaluation["calibration"])]


def _resampled(data: Mapping) -> str:
    if data["subjects"] is None:
        return "the videos, for not all subjects are known"
    return f"{count(data['subjects'], 'subject')}, with all their videos"

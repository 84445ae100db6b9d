"""A run's results in words and tables: report.md and the terminal's. Both read the dictionary of results.json."""

import json
from collections.abc import Mapping, Sequence

from dfuse_jax.evaluate import results as tables
from dfuse_jax.evaluate.metrics import METRICS
from dfuse_jax.evaluate.outcome import PROTOCOLS, Outcome

NAMES = {"accuracy": "accuracy", "balanced_accuracy": "balanced accuracy", "auc": "AUC"}
FOLDS = ("fold", "train", "val", "test", *PROTOCOLS, "epoch")
LEVEL = f"{100 * tables.LEVEL:.0f}%"


def percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def estimate(summary: Mapping) -> str:
    """Mean and interval in percent: `75.0 [60.1, 89.9]`."""
    bounds = "" if summary["low"] is None else f" [{percent(summary['low'])}, {percent(summary['high'])}]"
    return percent(summary["mean"]) + bounds


def span(values: Sequence[int]) -> str:
    """`12`, or `12-40` where the runs differ."""
    ends = sorted({min(values), max(values)}) if values else "-"
    return "-".join(map(str, ends))


def fold_rows(results: Mapping) -> list[list[str]]:
    """One row of FOLDS for each fold: videos, accuracy in percent averaged over the runs, the epoch that val chose."""
    of_fold = {}
    for protocol in PROTOCOLS:
        for row in results["protocols"][protocol]["folds"]:
            of_fold.setdefault(row["fold"], {}).setdefault(protocol, []).append(row)
    rows = []
    for fold, found in sorted(of_fold.items()):
        validated = found.get("validated", [])
        counts = [span([row[key] for row in validated or found["final"]]) for key in ("n_train", "n_val", "n_test")]
        accuracies = [[row["accuracy"] for row in found.get(protocol, [])] for protocol in PROTOCOLS]
        means = [percent(sum(values) / len(values) if values else None) for values in accuracies]
        rows.append([str(fold), *counts, *means, span([row["epoch"] for row in validated])])
    return rows


def console(results: Mapping | Outcome) -> str:
    """The folds and the means with their intervals, for a terminal: plain, aligned, under 100 columns."""
    results = tables.results(results) if isinstance(results, Outcome) else results
    protocols = results["protocols"]
    rows = [FOLDS, *fold_rows(results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(FOLDS))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    lines += ["", f"{'mean, percent':15}" + "".join(f"{NAMES[metric]:22}" for metric in METRICS)]
    for protocol in PROTOCOLS:
        of_metric = protocols[protocol]["summary"]
        lines.append(f"{protocol:15}" + "".join(f"{estimate(of_metric[metric]):22}" for metric in METRICS))
    lines.append(f"{'coin, peeked':15}{percent(protocols['peeked']['coin_flip'])}")
    lines.append(f"{'majority class':15}{estimate(results['majority']['summary']['accuracy'])}")
    return "\n".join(line.rstrip() for line in lines)


def headliner(results: Mapping) -> str:
    """The protocol that counts: `validated`, or `final` where no training fold could give up a share."""
    return "validated" if results["protocols"]["validated"]["folds"] else "final"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows))


def reached(headline: Mapping, control: Mapping) -> bool:
    """Whether a control's mean is above the headline or within its interval."""
    bar = headline["mean"] if headline["low"] is None else headline["low"]
    return None not in (bar, control["mean"]) and control["mean"] >= bar


def remarks(results: Mapping) -> list[str]:
    """What a reader must know beside the table: what each row is, and what the controls reach."""
    protocols = results["protocols"]
    headline, length = protocols[headliner(results)]["summary"], protocols["length_only"]["summary"]
    majority = results["majority"]["summary"]["accuracy"]
    by_length = [NAMES[metric] for metric in METRICS if reached(headline[metric], length[metric])]
    return [
        "`validated`: taken at the epoch that a subject-disjoint share of the training fold chooses.",
        "`final`: trained on the whole training fold, taken at the last epoch.",
        "`peeked` (the published protocol) is not a result: it picks `final`'s epoch by the test videos themselves, "
        f"and a coin flipped for every video in every epoch would reach {percent(protocols['peeked']['coin_flip'])}% "
        "accuracy under it.",
        "`length_only`: logistic regression on the number of frames alone. "
        + (
            f"**It reaches the headline's interval or more in {', '.join(by_length)}: this run does not show that the "
            "model is better than that.**"
            if by_length
            else "It stays below the headline's interval."
        ),
        f"Always saying the training fold's majority class: {estimate(majority)}% accuracy"
        + (", **which the headline does not clearly beat.**" if reached(headline["accuracy"], majority) else "."),
    ]


def facts(results: Mapping) -> list[str]:
    """The data, and how means and intervals are made."""
    data, runs = results["data"], results["runs"]
    classes = ", ".join(
        f"{count} {name}" + (f" (median {data['median_frames'][name]:g} frames)" if count else "")
        for name, count in data["classes"].items()
    )
    shared = data["folds_that_share_subjects"]
    of_subjects = f"**{shared} folds train and test on the same subject.**" if shared else "No fold shares a subject."
    if shared is None:
        of_subjects = "**Who smiles in which video is unknown, so training, share and test may share subjects.**"
    defined = ", ".join(f"`{p}` {results['protocols'][p]['summary']['auc']['defined']}" for p in PROTOCOLS)
    return [
        f"{data['videos']} videos of {data['subjects'] or 'unknown'} subjects: {classes}.",
        f"{results['folds']} folds, {runs} run{'s' if runs > 1 else ''}, {results['epochs']} epochs. {of_subjects} "
        "A probability of 0.5 and above says spontaneous.",
        "Balanced accuracy is the mean recall of the classes that a test fold holds. The AUC needs both classes in it; "
        f"folds in which it is defined: {defined}.",
        f"Intervals: {LEVEL}, Student's t over the folds' means, clipped to 0 and 100. The runs of a fold share its "
        "test videos, so they are averaged first. Folds share training videos, so the intervals are rather narrow.",
    ]


def markdown(results: Mapping) -> str:
    """report.md; it holds nothing that changes when the same run is repeated."""
    protocols, name = results["protocols"], headliner(results)
    headline = protocols[name]["summary"]
    rows = [[f"`{p}`", *(estimate(protocols[p]["summary"][metric]) for metric in METRICS)] for p in PROTOCOLS]
    parts = [
        f"# {results['name']}",
        results["note"],
        f"**Accuracy {estimate(headline['accuracy'])}%, AUC {estimate(headline['auc'])}%** (`{name}`).",
        f"Percent, mean [{LEVEL} interval]:",
        table(("protocol", *NAMES.values()), rows),
        "\n".join(f"* {line}" for line in remarks(results)),
        "## Folds",
        "Numbers of videos, accuracy in percent averaged over the runs, and the epoch that the validation share chose. "
        "`final` and `peeked` train on `train` and `val` together.",
        table(FOLDS, fold_rows(results)),
        "![Training loss and accuracy over the epochs](learning_curves.png)",
        "## Data and method",
        "\n".join(f"* {line}" for line in facts(results)),
        "## Configuration",
        "```json\n" + json.dumps(results["config"], indent=2) + "\n```",
    ]
    return "\n\n".join(parts) + "\n"

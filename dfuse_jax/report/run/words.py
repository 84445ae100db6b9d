"""A run in words and tables, for report.md and the terminal. Both read the dictionary of results.json."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence

from dfuse_jax.evaluate.metrics import METRICS
from dfuse_jax.evaluate.outcome import PROTOCOLS
from dfuse_jax.report import options, subgroups
from dfuse_jax.report.formatting import (
    CONFIDENCE,
    METRIC_NAMES,
    count,
    escape,
    estimate,
    format_number,
    hardware,
    interval,
    markdown_list,
    markdown_table,
    percent,
    value_range,
)

FOLD_COLUMNS = ("fold", "train", "val", "test", *PROTOCOLS, "epoch")


def fold_rows(results: Mapping) -> list[list[str]]:
    """Returns a row of FOLD_COLUMNS for each fold.

    It holds the fold's numbers of videos, its accuracy in percent under every protocol, averaged over the runs, and the
    epoch of `validated`.
    """
    rows_of_fold = defaultdict(lambda: {protocol: [] for protocol in PROTOCOLS})
    for protocol in PROTOCOLS:
        for row in results["protocols"][protocol]["folds"]:
            rows_of_fold[row["fold"]][protocol].append(row)
    return [[str(fold), *_fold_cells(rows)] for fold, rows in sorted(rows_of_fold.items())]


def _fold_cells(rows: Mapping[str, Sequence[Mapping]]) -> list[str]:
    """Returns the cells of a fold after its number, from its rows under each protocol."""
    validated = rows["validated"]
    videos = [value_range([row[key] for row in validated or rows["final"]]) for key in ("n_train", "n_val", "n_test")]
    accuracies = [_mean_accuracy(rows[protocol]) for protocol in PROTOCOLS]
    return [*videos, *accuracies, value_range([row["epoch"] for row in validated])]


def _mean_accuracy(rows: Sequence[Mapping]) -> str:
    return percent(sum(row["accuracy"] for row in rows) / len(rows) if rows else None)


def console(results: Mapping) -> str:
    """Returns the folds, the means with their intervals and the hardware, for a terminal: under 100 columns wide."""
    protocols = results["protocols"]
    rows = [FOLD_COLUMNS, *fold_rows(results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(FOLD_COLUMNS))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    lines += ["", f"{'mean, percent':15}" + "".join(f"{METRIC_NAMES[metric]:22}" for metric in METRICS)]
    for protocol in PROTOCOLS:
        summary = protocols[protocol]["summary"]
        lines.append(f"{protocol:15}" + "".join(f"{estimate(summary[metric]):22}" for metric in METRICS))
    lines.append(f"{'coin, peeked':15}{percent(protocols['peeked']['coin_flip'])}")
    lines.append(f"{'majority class':15}{estimate(results['majority']['summary']['accuracy'])}")
    lines += ["", *(line.replace("`", "") for line in [*_definition(results), *_options(results)])]
    lines.append(f"Took {results['seconds']:.1f} s on {hardware(results['environment'])}")
    return "\n".join(line.rstrip() for line in lines)


def _is_reached(headline: Mapping, control: Mapping) -> bool:
    """Returns whether a control's mean is within the headline's interval or above it."""
    bound = headline["mean"] if headline["low"] is None else headline["low"]
    return None not in (bound, control["mean"]) and control["mean"] >= bound


def remarks(results: Mapping) -> list[str]:
    """Returns what a reader must know to read the table: what each row is, and what the controls reach."""
    return [*_protocol_remarks(results), *_control_remarks(results)]


def _protocol_remarks(results: Mapping) -> list[str]:
    coin = percent(results["protocols"]["peeked"]["coin_flip"])
    if results["epochs"] == 1 and results["config"].get("options", {}).get("threshold"):
        return [
            "`validated`: trained without a validation share of the training fold, which has subjects of its own and "
            "chooses the threshold.",
            "`final` and `peeked`: trained on the whole training fold; the same, as there is only one epoch. A coin "
            f"flipped for every video would reach {coin}% accuracy.",
        ]
    if results["epochs"] == 1:
        return [
            "`validated`, `final` and `peeked`: trained on the whole training fold. There is only one epoch, so there "
            "is no epoch to choose and the three are the same predictions. "
            f"A coin flipped for every video would reach {coin}% accuracy.",
        ]
    return [
        "`validated`: trained without a validation share of the training fold, which has subjects of its own and "
        "chooses the epoch.",
        "`final`: trained on the whole training fold, to the last epoch.",
        "`peeked` (the published protocol) is not a result: it picks `final`'s epoch on the test videos themselves, "
        f"and a coin flipped for every video in every epoch would reach {coin}% accuracy under it.",
    ]


def _control_remarks(results: Mapping) -> list[str]:
    headline = results["protocols"][results["headline"]]["summary"]
    length_only = results["protocols"]["length_only"]["summary"]
    majority = results["majority"]["summary"]["accuracy"]
    reached = [METRIC_NAMES[metric] for metric in METRICS if _is_reached(headline[metric], length_only[metric])]
    length_remark = "It stays below the headline's interval."
    if reached:
        length_remark = (
            f"**It reaches the headline's interval or exceeds it in {', '.join(reached)}: this run does not show that "
            "the model is better than that.**"
        )
    majority_remark = "."
    if _is_reached(headline["accuracy"], majority):
        majority_remark = ", **which the headline does not clearly beat.**"
    return [
        f"`length_only`: logistic regression on the number of frames alone. {length_remark}",
        f"Always predicting the majority class of the training fold: {estimate(majority)}% accuracy{majority_remark}",
    ]


def evidence(results: Mapping) -> list[str]:
    """Returns how far chance could move the headline, and what its probabilities are worth."""
    permutation = results["permutation"]
    return [
        describe_permutation(permutation),
        *describe_retraining(permutation["retrained"]),
        *describe_calibration(results["calibration"]),
    ]


def describe_permutation(permutation: Mapping) -> str:
    """Returns how often labels without meaning reach the scores."""
    p = ", ".join(f"{METRIC_NAMES[name]} p = {format_number(permutation['p'][name], '.4f')}" for name in METRICS)
    places = f"within the {count(permutation['subjects'], 'subject')} with videos of both classes"
    if not permutation["within_subjects"]:
        places = "among all videos, since no subject is known to have videos of both classes"
    return (
        f"Labels change places {places}, {permutation['permutations']:,} times against the same predictions, "
        f"without training: {p}."
    )


def describe_retraining(retrained: Mapping | None) -> list[str]:
    """Returns what the whole procedure reaches on labels without meaning, if it was tried."""
    if retrained is None:
        return []
    places = "within subjects"
    if not retrained["within_subjects"]:
        places = "between subjects, since no subject is known to have videos of both classes"
    scores = ", ".join(
        f"{METRIC_NAMES[name]} {percent(retrained['score'][name])}% against {percent(retrained['chance'][name])}% on "
        f"average (p = {format_number(retrained['p'][name], '.4f')})"
        for name in METRICS
    )
    runs = count(retrained["permutations"], "time")
    return [
        f"Trained anew {runs} after the labels of all videos changed places {places}, one run of `validated` each, "
        f"beside the first run: {scores}. The smallest p that so many can give is "
        f"{format_number(1 / (1 + retrained['permutations']), '.4f')}."
    ]


def describe_calibration(calibration: Mapping) -> list[str]:
    """Returns what the probabilities are worth."""
    lines = [
        f"Brier score {format_number(calibration['brier'], '.3f')} (0.25 for 0.5 always), expected calibration error "
        f"{percent(calibration['calibration_error'])}% (10 bins)."
    ]
    cooled, temperature = calibration["cooled"], calibration["temperature"]
    if cooled:
        low, median, high = (format_number(temperature[key], ".2f") for key in ("low", "median", "high"))
        lines.append(
            f"With a temperature that each fold's validation videos choose (median {median}, {low} to {high}): Brier "
            f"score {format_number(cooled['brier'], '.3f')}, error {percent(cooled['calibration_error'])}%."
        )
    accuracy = {row["share"]: percent(row["accuracy"]) for row in calibration["abstention"]}
    lines.append(
        f"Accuracy on the half of the videos with the most confident predictions {accuracy[0.5]}%, on nine tenths "
        f"{accuracy[0.9]}%."
    )
    return lines


def picture_of_calibration(calibration: Mapping) -> str:
    """Returns calibration.png in Markdown, with its numbers for those who do not see it."""
    accuracy = ", ".join(
        f"{percent(row['accuracy'])}% on {100 * row['share']:.0f}%" for row in calibration["abstention"][::3]
    )
    bins = [b for b in calibration["bins"] if b["count"]]
    ends = " to ".join(
        f"{percent(b['observed'])}% where {percent(b['predicted'])}% are predicted"
        for b in bins[:: max(len(bins) - 1, 1)]
    )
    error = percent(calibration["calibration_error"])
    return (
        f"![Reliability of the probabilities: spontaneous are {ends}, error {error}%. Accuracy with abstention: "
        f"{accuracy} of the videos.](calibration.png)"
    )


def picture_of_roc(results: Mapping, auc: Mapping) -> str:
    """Returns roc.png in Markdown, with its numbers for those who do not see it.

    Args:
        results: as in results.json or evaluation.json, for `roc` and `confusion`.
        auc: the pooled one: value, low, high.
    """
    curve = "undefined, for a class is missing"
    if results["roc"]:
        false, true = results["roc"]["false_positive_rate"], results["roc"]["true_positive_rate"]
        points = sorted({min(range(len(false)), key=lambda i: abs(false[i] - rate)) for rate in (0.1, 0.25, 0.5)})
        recognised, mistaken = (", ".join(percent(rates[i]) for i in points) for rates in (true, false))
        curve = (
            f"AUC {interval(auc)}%, {recognised}% of the spontaneous smiles are recognised where {mistaken}% of the "
            "posed ones are called spontaneous"
        )
    called = "; ".join(
        f"of the {name}, " + " and ".join(f"{number} are called {called}" for called, number in row.items())
        for name, row in results["confusion"].items()
    )
    return f"![ROC curve: {curve}. Confusion: {called}.](roc.png)"


def _picture_of_learning_curves(results: Mapping) -> str:
    losses, epochs = results["losses"], results["epochs"]
    accuracy = percent(results["protocols"]["final"]["summary"]["accuracy"]["mean"])
    loss = "no training loss"
    if losses["last"] is not None:
        first, last = (format_number(losses[key], ".3f") for key in ("first", "last"))
        loss = f"mean training loss {first} in epoch 1, {last} in epoch {epochs}"
    return (
        f"![Training loss and accuracy over the epochs: {loss}; accuracy of `final` on test videos in epoch {epochs}, "
        f"{accuracy}%.](learning_curves.png)"
    )


def _resampled(results: Mapping) -> str:
    data = results["data"]
    whom = f"the {data['subjects']} subjects, with all their videos"
    if data["subjects"] is None:
        whom = "the videos, for the subjects are unknown: where people have several videos it is too narrow"
    return (
        f"Percent, pooled over the test videos of all folds and averaged over the runs, [{CONFIDENCE} interval by "
        f"bootstrap (BCa) over {whom}]. It says what other test subjects would change, not other training videos:"
    )


def facts(results: Mapping) -> list[str]:
    """Returns what the data are, and how means and intervals are computed."""
    data = results["data"]
    size = f"{count(results['folds'], 'fold')}, {count(results['runs'], 'run')}, {count(results['epochs'], 'epoch')}."
    defined = ", ".join(
        f"`{protocol}` {results['protocols'][protocol]['summary']['auc']['defined']}" for protocol in PROTOCOLS
    )
    return [
        f"{data['videos']} videos of {data['subjects'] or 'unknown'} subjects: {_classes(data)}.",
        f"{size} {_shared_subjects(data['folds_that_share_subjects'])} A probability of 0.5 or more means spontaneous.",
        "Balanced accuracy is the mean recall of the classes that are in a test fold. The AUC needs both classes in "
        f"it; folds in which it is defined: {defined}.",
        f"Intervals: {CONFIDENCE}, Student's t over the means of the folds, clipped to 0 and 100. The runs of a fold "
        "share its test videos, so they are averaged first. Folds share training videos, so the intervals are somewhat "
        "too narrow.",
        *_definition(results),
        *_options(results),
    ]


def _options(results: Mapping) -> list[str]:
    """Returns what was done about unequal classes and few videos, if anything."""
    return options.describe(results["config"].get("options", {}))


def _definition(results: Mapping) -> list[str]:
    """Returns which D-Markers a system was given, if any."""
    markers = results["config"].get("dmarkers")
    if not markers:
        return []
    smoothing = f", smoothed by {markers['smoothing']}" if markers["smoothing"] else ""
    return [f"D-Markers: definition `{markers['definition']}`{smoothing}."]


def _classes(data: Mapping) -> str:
    classes = []
    for name, videos in data["classes"].items():
        median = f" (median {data['median_frames'][name]:g} frames)" if videos else ""
        classes.append(f"{videos} {name}{median}")
    return ", ".join(classes)


def _shared_subjects(folds: int | None) -> str:
    """Returns whether subjects are in both the training and the test videos of a fold."""
    if folds is None:
        return "**The subjects are unknown, so training, validation and test videos may have subjects in common.**"
    if folds == 0:
        return "No fold trains and tests on the same subject."
    verbs = "fold trains and tests" if folds == 1 else "folds train and test"
    return f"**{folds} {verbs} on the same subject.**"


def _fold_caption(results: Mapping) -> str:
    caption = "Numbers of videos, accuracy in percent averaged over the runs, and the epoch of `validated`."
    if results["epochs"] == 1:
        return caption
    return f"{caption} `final` and `peeked` train on `train` and `val` together."


def _subgroups(results: Mapping) -> list[str]:
    if not results["subgroups"]:
        return []
    known = results["data"]["subjects"] is not None
    return [f"## Subgroups (`{results['headline']}`)", *subgroups.markdown(results["subgroups"], subjects_known=known)]


def markdown(results: Mapping) -> str:
    """Returns report.md. It holds nothing that changes when the same run is repeated."""
    protocols, headline = results["protocols"], results["headline"]
    summary = protocols[headline]["summary"]
    rows = [
        [f"`{protocol}`", *(estimate(protocols[protocol]["summary"][metric]) for metric in METRICS)]
        for protocol in PROTOCOLS
    ]
    pooled = [
        [f"`{protocol}`", *(interval(protocols[protocol]["pooled"][metric]) for metric in METRICS)]
        for protocol in PROTOCOLS
    ]
    parts = [
        f"# {escape(results['name'])}",
        escape(results["note"]),
        f"**Accuracy {estimate(summary['accuracy'])}%, AUC {estimate(summary['auc'])}%** (`{headline}`).",
        f"Percent, mean [{CONFIDENCE} interval]:",
        markdown_table(("protocol", *METRIC_NAMES.values()), rows),
        markdown_list(remarks(results)),
        "## Chance and calibration",
        _resampled(results),
        markdown_table(("protocol", *METRIC_NAMES.values()), pooled),
        f"For `{headline}`:",
        markdown_list(evidence(results)),
        picture_of_calibration(results["calibration"]),
        "## ROC curve and confusion",
        f"`{headline}`, over the test videos of all folds and runs. The band is that of each point by itself, by "
        "bootstrap over subjects:",
        picture_of_roc(results, protocols[headline]["pooled"]["auc"]),
        *_subgroups(results),
        "## Folds",
        _fold_caption(results),
        markdown_table(FOLD_COLUMNS, fold_rows(results)),
        _picture_of_learning_curves(results),
        "## Data and method",
        markdown_list(facts(results)),
        "## Configuration",
        "```json\n" + json.dumps(results["config"], indent=2) + "\n```",
    ]
    return "\n\n".join(parts) + "\n"

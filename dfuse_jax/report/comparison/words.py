"""A benchmark in a table and words, Markdown's and the terminal's, from the dictionary of benchmark.json."""

import textwrap
from collections.abc import Mapping

from dfuse_jax.report.run.words import LEVEL, estimate, percent, table

SHOWN = 10  # pairs in the Markdown; the CSV has all
HEAD = ("fusion", "eqs.", "Table 4", "peeked", "accuracy", "balanced", "AUC", "final", "rank", "parameters")
TIMES = ("ms/step", "clips/s")
BLIND, BASELINE = "†", "‡"
SPEED = (
    "ms/step, clips/s: a training step of one fold, and clips trained on and evaluated, in whole epochs as measured."
)


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _cells(row: Mapping, headline: str) -> list[str]:
    """One fusion: HEAD, then TIMES."""
    found = row[headline]
    mark = "" if row["sees_encoder"] else BLIND
    return [
        row["fusion"] + mark,
        row["equations"] or "-",
        _number(row["paper"], ".1f") + (BASELINE if row["fusion"] == "none" and row["paper"] else ""),
        percent(row["peeked"]["accuracy"]["mean"]),
        estimate(found["accuracy"]),
        *(percent(found[metric]["mean"]) for metric in ("balanced_accuracy", "auc")),
        percent(row["final"]["accuracy"]["mean"]),
        _number(row["rank"], ".2f"),
        _number(row["parameters"], ","),
        _number(row["ms_per_fold_step"], ".1f"),
        _number(row["clips_per_second"], ".0f"),
    ]


def controls(found: Mapping) -> list[list[str]]:
    """What a reader needs beside the fusions, in the same columns."""
    length, majority = found["controls"]["length_only"], found["controls"]["majority"]
    others = [percent(length[metric]["mean"]) for metric in ("balanced_accuracy", "auc")]
    lines = [
        ["length only", "-", "-", "-", estimate(length["accuracy"]), *others],
        ["majority class", "-", "-", "-", estimate(majority["accuracy"])],
        ["coin flip", "-", "-", percent(found["controls"]["coin_flip_peeked"])],
    ]
    return [line + ["-"] * (len(HEAD) + len(TIMES) - len(line)) for line in lines]


def rows(found: Mapping) -> list[list[str]]:
    """The table: a fusion a line, then the controls; in columns HEAD, then TIMES."""
    return [_cells(row, found["headline"]) for row in found["rows"]] + controls(found)


def _runs(found: Mapping) -> str:
    return f"{found['runs']} run{'s' if found['runs'] > 1 else ''}"


def legend(found: Mapping) -> list[str]:
    """How to read the table."""
    same = any(row["paper"] is not None for row in found["rows"])
    lines = [
        f"Accuracy [{LEVEL} interval], balanced accuracy and AUC are `{found['headline']}`'s, the headline: taken at "
        "the epoch that a subject-disjoint share of the training fold chooses. `final`: the last epoch's accuracy.",
        "`peeked` is the protocol of the paper's Table 4, and the column to compare with it. It is not a result: it "
        "picks each fold's epoch by the test videos themselves. A coin flip reaches what its row says.",
    ]
    if not same:
        lines.append("The paper prints nothing for these data, so its column is empty.")
    if any(row["fusion"] == "none" and row["paper"] for row in found["rows"]):
        lines.append(f"{BASELINE} From Table 5: MeshSmileNet, the encoder alone.")
    if not all(row["sees_encoder"] for row in found["rows"]):
        lines.append(
            f"{BLIND} Attends to a single token, so it cannot see the encoder: it judges by the D-Markers alone."
        )
    lines.append("Length only: logistic regression on the number of frames.")
    return lines


def methods(found: Mapping) -> list[str]:
    """How variants are compared."""
    ranking, pairs = found["ranking"], found["pairs"]
    tested = [pair for pair in pairs if pair["p_holm"] is not None]
    below = sum(pair["p_holm"] < ranking["alpha"] for pair in tested)
    lines = [
        f"Pairs: corrected resampled t-test (Nadeau and Bengio 2003) on the {found['headline']} accuracies of "
        f"{found['folds']} folds x {_runs(found)}, n_test/n_train {found['test_to_train']:.3f}; Holm over all "
        f"{len(tested)} pairs. {below} differ at {ranking['alpha']:g}.",
        f"Ranks: 1 is best, averaged over {ranking['blocks']} blocks; a block is a fold averaged over its runs, which "
        "share its test videos. Folds share training videos, so blocks are not quite independent either.",
    ]
    if ranking["critical_difference"] is not None:
        lines.append(
            f"Friedman's test: chi-square {ranking['statistic']:.2f}, p = {ranking['p']:.3g}. Nemenyi's critical "
            f"difference at {ranking['alpha']:g}: {ranking['critical_difference']:.2f} ranks (Demsar 2006)."
        )
    return lines


def markdown(found: Mapping) -> str:
    """benchmark.md."""
    data = found["data"]
    parts = [
        "# Fusions compared",
        found["note"],
        f"{data['videos']} videos of {data['subjects']} subjects, {found['folds']} folds, {_runs(found)}, "
        f"{found['epochs']} epochs; the same for all. Percent.",
        *([f"**Still to be run: {', '.join(found['missing'])}.**"] if found["missing"] else []),
        table((*HEAD, *TIMES), rows(found)),
        "\n".join(f"* {line}" for line in [*legend(found), SPEED]),
        "![Critical-difference diagram](benchmark.png)",
        "\n".join(f"* {line}" for line in methods(found)),
    ]
    if found["pairs"]:
        parts += ["The most different pairs; benchmark_pairs.csv has all:", _pairs(found)]
    return "\n\n".join(parts) + "\n"


def _pairs(found: Mapping) -> str:
    lines = [
        [
            f"{pair['a']} - {pair['b']}",
            _number(None if pair["difference"] is None else 100 * pair["difference"], "+.1f"),
            _number(pair["p"], ".3g"),
            _number(pair["p_holm"], ".3g"),
        ]
        for pair in found["pairs"][:SHOWN]
    ]
    return table(("pair", "difference, percent", "p", "p (Holm)"), lines)


def console(found: Mapping) -> str:
    """The table for a terminal: plain, aligned, under 120 columns."""
    cells = [HEAD, *(row[: len(HEAD)] for row in rows(found))]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join([row[0].ljust(widths[0]), *(map(str.rjust, row[1:], widths[1:]))]) for row in cells]
    notes = [textwrap.fill(line, 110, subsequent_indent="  ") for line in legend(found)]
    return "\n".join(["Percent:", *lines, "", *notes])

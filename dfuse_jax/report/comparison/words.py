"""A benchmark in words and tables, for benchmark.md and the terminal, from the dictionary of benchmark.json."""

import textwrap
from collections.abc import Mapping

from dfuse_jax.report.formatting import (
    CONFIDENCE,
    count,
    estimate,
    format_number,
    hardware,
    markdown_list,
    markdown_table,
    percent,
)

MAX_PAIRS = 10  # in the Markdown; the CSV has all
COLUMNS = ("fusion", "eqs.", "Table 4", "peeked", "accuracy", "balanced", "AUC", "final", "rank", "parameters")
TIME_COLUMNS = ("ms/step", "clips/s")
BLIND, TABLE5 = "†", "‡"  # marks of a fusion that cannot see the encoder, and of a value from Table 5


def fusion_rows(standings: Mapping) -> list[list[str]]:
    """Returns a row of COLUMNS and TIME_COLUMNS for each fusion."""
    return [_fusion_row(row, standings["headline"]) for row in standings["rows"]]


def _fusion_row(row: Mapping, headline: str) -> list[str]:
    summary = row[headline]
    return [
        row["fusion"] + ("" if row["sees_encoder"] else BLIND),
        row["equations"] or "-",
        format_number(row["paper"], ".1f") + (TABLE5 if _is_from_table5(row) else ""),
        percent(row["peeked"]["accuracy"]["mean"]),
        estimate(summary["accuracy"]),
        percent(summary["balanced_accuracy"]["mean"]),
        percent(summary["auc"]["mean"]),
        percent(row["final"]["accuracy"]["mean"]),
        format_number(row["rank"], ".2f"),
        format_number(row["parameters"], ","),
        format_number(row["ms_per_fold_step"], ".1f"),
        format_number(row["clips_per_second"], ".0f"),
    ]


def _is_from_table5(row: Mapping) -> bool:
    return row["fusion"] == "none" and row["paper"] is not None


def control_rows(standings: Mapping) -> list[list[str]]:
    """Returns the rows of the controls, in the same columns."""
    controls = standings["controls"]
    length_only, majority = controls["length_only"], controls["majority"]
    cells = [
        {
            "fusion": "length only",
            "accuracy": estimate(length_only["accuracy"]),
            "balanced": percent(length_only["balanced_accuracy"]["mean"]),
            "AUC": percent(length_only["auc"]["mean"]),
        },
        {"fusion": "majority class", "accuracy": estimate(majority["accuracy"])},
        {"fusion": "coin flip", "peeked": percent(controls["coin_flip_peeked"])},
    ]
    return [[row.get(column, "-") for column in (*COLUMNS, *TIME_COLUMNS)] for row in cells]


def legend(standings: Mapping) -> list[str]:
    """Returns how to read the table."""
    rows, headline = standings["rows"], standings["headline"]
    lines = [
        f"Accuracy [{CONFIDENCE} interval], balanced accuracy and AUC are those of `{headline}`, the headline: "
        f"{_epoch_of_headline(standings)}. `final` is the accuracy at the last epoch.",
        _peeked_line(standings),
    ]
    if all(row["paper"] is None for row in rows):
        lines.append("The paper prints nothing for these data, so its column is empty.")
    if any(_is_from_table5(row) for row in rows):
        lines.append(f"{TABLE5} From Table 5: MeshSmileNet, the encoder alone.")
    if not all(row["sees_encoder"] for row in rows):
        lines.append(
            f"{BLIND} Attends to a single token, so it cannot see the encoder: its predictions depend on the D-Markers "
            "alone."
        )
    lines.append("Length only: logistic regression on the number of frames.")
    return lines


def _epoch_of_headline(standings: Mapping) -> str:
    if standings["epochs"] == 1:
        return "there is only one epoch, so `validated`, `final` and `peeked` are the same"
    if standings["headline"] == "final":
        return "the last epoch counts, since there is no validation share to choose one"
    return "a validation share of the training fold, with subjects of its own, chooses the epoch"


def _peeked_line(standings: Mapping) -> str:
    line = "`peeked` is the protocol of the paper's Table 4, and the column to compare with it."
    if standings["epochs"] > 1:
        line += " It is not a result: it picks each fold's epoch on the test videos themselves."
    return f"{line} The row `coin flip` shows what a coin reaches under it."


def times(standings: Mapping) -> str:
    """Returns what the columns of times are, and on which hardware they were measured."""
    environments = [hardware(environment) for environment in standings["environments"]]
    measured = f"Measured on {environments[0]}."
    if len(environments) > 1:
        measured = f"**Measured on different hardware, so they do not compare: {'; '.join(environments)}.**"
    return (
        "ms/step, clips/s: a training step of one fold, and clips trained on and evaluated, in whole epochs. "
        f"{measured}"
    )


def methods(standings: Mapping) -> list[str]:
    """Returns how the variants are compared."""
    ranking = standings["ranking"]
    p_values = [pair["p_holm"] for pair in standings["pairs"] if pair["p_holm"] is not None]
    different = sum(p < ranking["alpha"] for p in p_values)
    lines = [
        f"Pairs: corrected resampled t-test (Nadeau and Bengio 2003) on the {standings['headline']} accuracies of "
        f"{count(standings['folds'], 'fold')} x {count(standings['runs'], 'run')}, n_test/n_train "
        f"{standings['test_to_train']:.3f}; Holm's correction over {count(len(p_values), 'pair')}, of which "
        f"{different} differ at {ranking['alpha']:g}.",
        f"Ranks: 1 is best, averaged over {count(ranking['blocks'], 'block')}; a block is a fold averaged over its "
        "runs, which share its test videos. Folds share training videos, so even blocks are not quite independent.",
    ]
    if ranking["critical_difference"] is not None:
        lines.append(
            f"Friedman's test: chi-square {ranking['statistic']:.2f}, p = {ranking['p']:.3g}. Nemenyi's critical "
            f"difference at {ranking['alpha']:g}: {ranking['critical_difference']:.2f} ranks (Demsar 2006)."
        )
    return lines


def markdown(standings: Mapping) -> str:
    """Returns benchmark.md."""
    parts = [
        "# Comparison of fusions",
        standings["note"],
        _size(standings),
        *([f"**Still to be run: {', '.join(standings['missing'])}.**"] if standings["missing"] else []),
        markdown_table((*COLUMNS, *TIME_COLUMNS), [*fusion_rows(standings), *control_rows(standings)]),
        markdown_list([*legend(standings), times(standings)]),
        "![Critical-difference diagram](benchmark.png)",
        markdown_list(methods(standings)),
    ]
    if standings["pairs"]:
        parts += ["The pairs that differ most clearly; benchmark_pairs.csv has all:", _pairs_table(standings)]
    return "\n\n".join(parts) + "\n"


def _size(standings: Mapping) -> str:
    data = standings["data"]
    size = ", ".join(count(standings[f"{noun}s"], noun) for noun in ("fold", "run", "epoch"))
    subjects = data["subjects"] or "unknown"
    return f"{data['videos']} videos of {subjects} subjects, {size}; the same for all fusions. Scores are in percent."


def _pairs_table(standings: Mapping) -> str:
    rows = []
    for pair in standings["pairs"][:MAX_PAIRS]:
        difference = None if pair["difference"] is None else 100 * pair["difference"]
        rows.append(
            [
                f"{pair['a']} - {pair['b']}",
                format_number(difference, "+.1f"),
                format_number(pair["p"], ".3g"),
                format_number(pair["p_holm"], ".3g"),
            ]
        )
    return markdown_table(("pair", "difference, percent", "p", "p (Holm)"), rows)


def console(standings: Mapping) -> str:
    """Returns note, table and legend for a terminal: plain, aligned, under 120 columns wide."""
    rows = [COLUMNS, *(row[: len(COLUMNS)] for row in [*fusion_rows(standings), *control_rows(standings)])]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    table = []
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        cells[0] = row[0].ljust(widths[0])
        table.append("  ".join(cells))
    notes = [textwrap.fill(line, 110, subsequent_indent="  ") for line in legend(standings)]
    return "\n".join([textwrap.fill(standings["note"], 110), "", "Percent:", *table, "", *notes])

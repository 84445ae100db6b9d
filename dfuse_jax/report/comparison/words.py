"""A benchmark in words and tables, for benchmark.md and the terminal, from the dictionary of benchmark.json."""

import textwrap
from collections.abc import Mapping, Sequence

from dfuse_jax.report import options
from dfuse_jax.report.formatting import (
    CONFIDENCE,
    count,
    escape,
    estimate,
    format_number,
    hardware,
    markdown_list,
    markdown_table,
    percent,
)

MAX_PAIRS = 10  # in the Markdown; the CSV has all
SCORE_COLUMNS = ("peeked", "accuracy", "balanced", "AUC", "final", "rank", "parameters")
COLUMNS = {
    "fusion": ("fusion", "eqs.", "Table 4", *SCORE_COLUMNS),
    "system": ("system", "Table 5", *SCORE_COLUMNS, "input", "provenance"),
}
TITLES = {"fusion": "Comparison of fusions", "system": "The systems of the paper's Table 5"}
PROVENANCES = {
    "code": "equal to the published code, up to rounding",
    "text": "built from the paper's text, which leaves details open",
    "ours": "our reading of a description that leaves most open",
}
PAPER_OF_SYSTEMS = (
    "Column `Table 5` is the paper's, in which each system stands as the literature reports it; neither the paper nor "
    "its release says that any was run anew under one protocol."
)
TIME_COLUMNS = ("ms/step", "clips/s")
BLIND, TABLE5 = "†", "‡"  # marks of a fusion that cannot see the encoder, and of a value from Table 5


def columns(standings: Mapping) -> tuple[str, ...]:
    """Returns the heads of the columns of a comparison's table."""
    return COLUMNS[standings["kind"]]


def variant_rows(standings: Mapping) -> list[list[str]]:
    """Returns a row of `columns` and TIME_COLUMNS for each variant."""
    head = (*columns(standings), *TIME_COLUMNS)
    cells = [_cells(row, standings["kind"], standings["headline"]) for row in standings["rows"]]
    return [[row[column] for column in head] for row in cells]


def _cells(row: Mapping, kind: str, headline: str) -> dict[str, str]:
    """Returns the cells of a variant by column."""
    summary = row[headline]
    printed = format_number(row["paper"], ".1f")
    if kind == "fusion":
        facts = {
            "fusion": row["fusion"] + ("" if row["sees_encoder"] else BLIND),
            "eqs.": row["equations"] or "-",
            "Table 4": printed + (TABLE5 if _is_from_table5(row) else ""),
        }
    else:
        facts = {key: row[key] for key in ("system", "input", "provenance")} | {"Table 5": printed}
    return {
        **facts,
        "peeked": percent(row["peeked"]["accuracy"]["mean"]),
        "accuracy": estimate(summary["accuracy"]),
        "balanced": percent(summary["balanced_accuracy"]["mean"]),
        "AUC": percent(summary["auc"]["mean"]),
        "final": percent(row["final"]["accuracy"]["mean"]),
        "rank": format_number(row["rank"], ".2f"),
        "parameters": format_number(row["parameters"], ","),
        "ms/step": format_number(row["ms_per_fold_step"], ".1f"),
        "clips/s": format_number(row["clips_per_second"], ".0f"),
    }


def _is_from_table5(row: Mapping) -> bool:
    return row["fusion"] == "none" and row["paper"] is not None


def control_rows(standings: Mapping) -> list[list[str]]:
    """Returns the rows of the controls, in the same columns."""
    controls, kind = standings["controls"], standings["kind"]
    length_only, majority = controls["length_only"], controls["majority"]
    cells = [
        {
            kind: "length only",
            "accuracy": estimate(length_only["accuracy"]),
            "balanced": percent(length_only["balanced_accuracy"]["mean"]),
            "AUC": percent(length_only["auc"]["mean"]),
        },
        {kind: "majority class", "accuracy": estimate(majority["accuracy"])},
        {kind: "coin flip", "peeked": percent(controls["coin_flip_peeked"])},
    ]
    return [[row.get(column, "-") for column in (*columns(standings), *TIME_COLUMNS)] for row in cells]


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
    lines += _fusion_lines(rows) if standings["kind"] == "fusion" else _system_lines(standings)
    lines += options.describe(standings["options"])
    lines.append("Length only: logistic regression on the number of frames.")
    return lines


def _fusion_lines(rows: Sequence[Mapping]) -> list[str]:
    lines = []
    if any(_is_from_table5(row) for row in rows):
        lines.append(f"{TABLE5} From Table 5: MeshSmileNet, the encoder alone.")
    if not all(row["sees_encoder"] for row in rows):
        lines.append(
            f"{BLIND} Attends to a single token, so it cannot see the encoder: its predictions depend on the D-Markers "
            "alone."
        )
    return lines


def _system_lines(standings: Mapping) -> list[str]:
    rows = standings["rows"]
    used = [f"`{key}`, {meaning}" for key, meaning in PROVENANCES.items() if key in {row["provenance"] for row in rows}]
    lines = [f"Provenance: {'; '.join(used)}."]
    if any(row["paper"] is not None for row in rows):
        lines.append(PAPER_OF_SYSTEMS)
    if any(row["epochs"] == 1 for row in rows) and not standings["options"].get("threshold"):
        lines.append(
            "A system without epochs has nothing to choose, so its `validated`, `final` and `peeked` are the same, and "
            "all videos of a training fold train it."
        )
    if any(row["parameters"] is None for row in rows):
        lines.append("Parameters are not counted where the videos decide how many there are.")
    return lines


def _epoch_of_headline(standings: Mapping) -> str:
    if standings["epochs"] == 1 and not standings["options"].get("threshold"):
        return "there is only one epoch, so `validated`, `final` and `peeked` are the same"
    if standings["headline"] == "final":
        return "the last epoch counts, since there is no validation share to choose one"
    return "a validation share of the training fold, with subjects of its own, chooses the epoch"


def _peeked_line(standings: Mapping) -> str:
    table = "Table 4" if standings["kind"] == "fusion" else "Table 5 (of its deep networks)"
    line = f"`peeked` is the protocol of the paper's {table}, and the column to compare with it."
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
        f"# {TITLES[standings['kind']]}",
        escape(standings["note"]),
        _size(standings),
        *([f"**Still to be run: {', '.join(standings['missing'])}.**"] if standings["missing"] else []),
        markdown_table(
            (*columns(standings), *TIME_COLUMNS),
            [[escape(row[0]), *row[1:]] for row in [*variant_rows(standings), *control_rows(standings)]],
        ),
        markdown_list([*legend(standings), times(standings)]),
        "## Differences",
        _picture(standings),
        markdown_list(methods(standings)),
    ]
    if standings["pairs"]:
        parts += ["The pairs that differ most clearly; benchmark_pairs.csv has all:", _pairs_table(standings)]
    return "\n\n".join(parts) + "\n"


def _picture(standings: Mapping) -> str:
    """Returns benchmark.png in Markdown, with its numbers for those who do not see it."""
    kind, ranking = standings["kind"], standings["ranking"]
    names = [escape(row[kind]) for row in standings["rows"]]
    if None in ranking["ranks"]:
        return f"![Critical-difference diagram: no fold in which all {kind}s have a value.](benchmark.png)"
    ranks = ", ".join(f"{names[i]} {ranking['ranks'][i]:.2f}" for i in _by_rank(ranking))
    joined = "; ".join(" and ".join(names[i] for i in members) for members in ranking["groups"]) or "none"
    difference = format_number(ranking["critical_difference"], ".2f")
    return (
        f"![Critical-difference diagram, average ranks: {ranks}. Critical difference: {difference}. Joined, for they "
        f"do not differ: {joined}.](benchmark.png)"
    )


def _by_rank(ranking: Mapping) -> list[int]:
    return sorted(range(len(ranking["ranks"])), key=lambda i: ranking["ranks"][i])


def _size(standings: Mapping) -> str:
    data = standings["data"]
    size = ", ".join(count(standings[f"{noun}s"], noun) for noun in ("fold", "run"))
    size += f", {_epochs(standings)}"
    subjects = data["subjects"] or "unknown"
    what = f"{data['videos']} videos of {subjects} subjects, {size}; the same for all {standings['kind']}s"
    return f"{what}. Scores are in percent."


def _epochs(standings: Mapping) -> str:
    if standings["kind"] == "fusion":
        return count(standings["epochs"], "epoch")
    return f"up to {count(standings['epochs'], 'epoch')}"


def _pairs_table(standings: Mapping) -> str:
    rows = []
    for pair in standings["pairs"][:MAX_PAIRS]:
        difference = None if pair["difference"] is None else 100 * pair["difference"]
        rows.append(
            [
                escape(f"{pair['a']} - {pair['b']}"),
                format_number(difference, "+.1f"),
                format_number(pair["p"], ".3g"),
                format_number(pair["p_holm"], ".3g"),
            ]
        )
    return markdown_table(("pair", "difference, percent", "p", "p (Holm)"), rows)


def console(standings: Mapping) -> str:
    """Returns note, table and legend for a terminal: plain, aligned, under 120 columns wide."""
    head = columns(standings)
    rows = [head, *(row[: len(head)] for row in [*variant_rows(standings), *control_rows(standings)])]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    table = []
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        cells[0] = row[0].ljust(widths[0])
        table.append("  ".join(cells))
    notes = [textwrap.fill(line, 110, subsequent_indent="  ") for line in legend(standings)]
    return "\n".join([textwrap.fill(standings["note"], 110), "", "Percent:", *table, "", *notes])

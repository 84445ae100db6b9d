"""A benchmark for other programs: LaTeX and CSV, from the dictionary of benchmark.json."""

import csv
import io
from collections.abc import Mapping, Sequence

from dfuse_jax.evaluate.outcome import MODEL_PROTOCOLS
from dfuse_jax.report.comparison.words import BLIND, TABLE5, columns, control_rows, legend, variant_rows
from dfuse_jax.report.formatting import METRIC_NAMES

FACTS = {
    "fusion": ("fusion", "equations", "sees_encoder"),
    "system": ("system", "title", "input", "provenance", "epochs"),
}
SHARED_FACTS = ("paper", "rank", "parameters", "ms_per_fold_step", "clips_per_second")
_SPECIAL = {character: f"\\{character}" for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    BLIND: r"$^\dagger$",
    TABLE5: r"$^\ddagger$",
}


def escape(text: str) -> str:
    """Returns a text in LaTeX: its special characters as text, the table's marks as superscripts."""
    return "".join(_SPECIAL.get(character, character) for character in text)


def latex(standings: Mapping) -> str:
    """Returns benchmark.tex: a table of booktabs, without times, which belong to a machine."""
    comments = ("Needs the package booktabs.", *legend(standings))
    head = columns(standings)
    lines = [
        *(f"% {comment}" for comment in comments),
        r"\begin{tabular}{l" + "r" * (len(head) - 1) + "}",
        r"\toprule",
        _latex_row(head),
        r"\midrule",
        *(_latex_row(row[: len(head)]) for row in variant_rows(standings)),
        r"\midrule",
        *(_latex_row(row[: len(head)]) for row in control_rows(standings)),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _latex_row(row: Sequence[str]) -> str:
    return " & ".join(escape(cell) for cell in row) + r" \\"


def rows_csv(standings: Mapping) -> str:
    """Returns benchmark.csv: a row for each variant, then `length_only`.

    Scores are fractions of 1; `paper` is in percent, as printed. The bounds are those of the headline's interval.
    """
    headline, kind = standings["headline"], standings["kind"]
    facts = (*FACTS[kind], *SHARED_FACTS)
    means = [f"{protocol}_{metric}" for protocol in MODEL_PROTOCOLS for metric in METRIC_NAMES]
    bounds = [f"{headline}_accuracy_{bound}" for bound in ("low", "high")]
    rows = []
    for row in standings["rows"]:
        cells = {fact: row[fact] for fact in facts}
        for protocol in MODEL_PROTOCOLS:
            cells |= _scores(protocol, row[protocol])
        rows.append(cells)
    rows.append({kind: "length_only", **_scores(headline, standings["controls"]["length_only"])})
    return _csv([*facts, *means, *bounds], rows)


def _scores(protocol: str, summary: Mapping) -> dict[str, float | None]:
    means = {f"{protocol}_{metric}": summary[metric]["mean"] for metric in METRIC_NAMES}
    return means | {f"{protocol}_accuracy_{bound}": summary["accuracy"][bound] for bound in ("low", "high")}


def pairs_csv(standings: Mapping) -> str:
    """Returns benchmark_pairs.csv: a row for each pair of variants; the pair that differs most clearly comes first."""
    return _csv(("a", "b", "difference", "t", "p", "p_holm"), standings["pairs"])


def _csv(columns: Sequence[str], rows: Sequence[Mapping]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()

"""A benchmark for other programs: LaTeX and CSV, from the dictionary of benchmark.json."""

import csv
import io
from collections.abc import Mapping, Sequence

from dfuse_jax.report.comparison.words import BASELINE, BLIND, HEAD, controls, legend, rows
from dfuse_jax.report.run.words import NAMES

FACTS = ("fusion", "equations", "sees_encoder", "paper", "rank", "parameters", "ms_per_fold_step", "clips_per_second")
SCORED = ("validated", "final", "peeked")
_SPECIAL = {character: f"\\{character}" for character in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    BLIND: r"$^\dagger$",
    BASELINE: r"$^\ddagger$",
}


def escape(text: str) -> str:
    """A text in LaTeX: its special characters as text, the table's marks as superscripts."""
    return "".join(_SPECIAL.get(character, character) for character in text)


def latex(found: Mapping) -> str:
    """benchmark.tex: a table of booktabs, without times, which belong to a machine."""
    head, *lines = [" & ".join(escape(cell) for cell in row[: len(HEAD)]) + r" \\" for row in [HEAD, *rows(found)]]
    fusions = len(lines) - len(controls(found))
    parts = [
        *(f"% {line}" for line in ("Needs the package booktabs.", *legend(found))),
        r"\begin{tabular}{l" + "r" * (len(HEAD) - 1) + "}",
        r"\toprule",
        head,
        r"\midrule",
        *lines[:fusions],
        r"\midrule",
        *lines[fusions:],
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(parts) + "\n"


def rows_csv(found: Mapping) -> str:
    """benchmark.csv: a row a fusion, then `length_only`; scores are fractions of 1, `paper` percent as printed."""
    headline = found["headline"]
    bounds = [f"{headline}_accuracy_{end}" for end in ("low", "high")]
    fields = [*FACTS, *(f"{protocol}_{metric}" for protocol in SCORED for metric in NAMES), *bounds]
    lines = [
        {fact: row[fact] for fact in FACTS} | {k: v for p in SCORED for k, v in _scores(p, row[p]).items()}
        for row in found["rows"]
    ]
    lines.append({"fusion": "length_only", **_scores(headline, found["controls"]["length_only"])})
    return _csv(fields, lines)


def _scores(protocol: str, summary: Mapping) -> dict[str, float | None]:
    means = {f"{protocol}_{metric}": summary[metric]["mean"] for metric in NAMES}
    return means | {f"{protocol}_accuracy_{end}": summary["accuracy"][end] for end in ("low", "high")}


def pairs_csv(found: Mapping) -> str:
    """benchmark_pairs.csv: a row for each pair of fusions, the most different first."""
    return _csv(("a", "b", "difference", "t", "p", "p_holm"), found["pairs"])


def _csv(fields: Sequence[str], lines: Sequence[Mapping]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fields, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()

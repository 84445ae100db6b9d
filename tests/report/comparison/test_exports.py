"""A benchmark as LaTeX and CSV."""

import csv
import io
import re

from benchmarks import ACCURACIES, made_up_standings

from dfuse_jax.report.comparison import exports


def test_latex_is_balanced_and_escaped():
    text = exports.latex(made_up_standings())
    body = [line for line in text.splitlines() if not line.startswith("%")]
    columns = len(re.search(r"\\begin\{tabular\}\{(l+r+)\}", text)[1])
    rows = [line for line in body if line.endswith(r"\\")]
    assert len(rows) == 1 + 3 + 3
    assert all(line.count("&") == columns - 1 for line in rows)
    assert r"film\_hadamard & 12 & 95.0 &" in text and r"attention$^\dagger$ &" in text
    assert not re.search(r"(?<!\\)[_%#]", "\n".join(body))
    for rule in ("top", "bottom"):
        assert text.count(rf"\{rule}rule") == 1
    assert body[-1] == r"\end{tabular}" and text.isascii() is False  # the legend's marks, in comments alone
    assert "\n".join(body).isascii()
    assert exports.escape(r"50% \ {a}~b^c_#&$") == (
        r"50\% \textbackslash{} \{a\}\textasciitilde{}b\textasciicircum{}c\_\#\&\$"
    )


def test_csv_has_a_row_for_each_fusion_then_length_only():
    rows = list(csv.DictReader(io.StringIO(exports.rows_csv(made_up_standings()), newline="")))
    assert [row["fusion"] for row in rows] == [*ACCURACIES, "length_only"]
    assert float(rows[0]["validated_accuracy"]) == 0.9 and float(rows[0]["paper"]) == 100.0
    assert (rows[0]["validated_accuracy_low"], rows[0]["validated_accuracy_high"]) == ("0.25", "1.0")
    assert rows[0]["clips_per_second"] == "" and rows[-1]["parameters"] == ""


def test_csv_of_pairs_has_all_of_them():
    rows = list(csv.DictReader(io.StringIO(exports.pairs_csv(made_up_standings()), newline="")))
    assert len(rows) == 3 and set(rows[0]) == {"a", "b", "difference", "t", "p", "p_holm"}

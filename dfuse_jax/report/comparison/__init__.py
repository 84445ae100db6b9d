"""The report of several variants side by side: standings, words, exports and the critical-difference diagram.

standings = comparison.compute_standings(results, facts)
comparison.write("results/benchmark", standings)
print(comparison.console(standings))
"""

import os
import pathlib
from collections.abc import Mapping

from dfuse_jax.report.comparison import exports, words
from dfuse_jax.report.comparison.diagram import draw_critical_difference
from dfuse_jax.report.comparison.standings import compute_standings
from dfuse_jax.report.comparison.words import console
from dfuse_jax.report.files import write_json, write_text
from dfuse_jax.report.page import write_page

__all__ = ["FILES", "compute_standings", "console", "write"]

FILES = (
    "benchmark.csv",
    "benchmark_pairs.csv",
    "benchmark.md",
    "benchmark.tex",
    "benchmark.png",
    "report.html",
    "benchmark.json",
)


def write(directory: str | os.PathLike, standings: Mapping) -> None:
    """Writes FILES into a folder that exists; benchmark.json holds the standings."""
    directory = pathlib.Path(directory)
    names = [row[standings["kind"]] for row in standings["rows"]]
    draw_critical_difference(directory / "benchmark.png", names, standings["ranking"])
    write_text(directory / "benchmark.csv", exports.rows_csv(standings))
    write_text(directory / "benchmark_pairs.csv", exports.pairs_csv(standings))
    text = words.markdown(standings)
    write_text(directory / "benchmark.md", text)
    write_page(directory / "report.html", text)
    write_text(directory / "benchmark.tex", exports.latex(standings))
    write_json(directory / "benchmark.json", standings)

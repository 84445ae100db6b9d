"""The report of a run: its scores under every protocol, with the controls that a reader needs to judge them.

At the end of a run:

    results = run.write("results/demo", outcome)
    print(run.console(results))
"""

import itertools
import os
import pathlib
from typing import Any

from dfuse_jax.evaluate.outcome import Outcome, predictions_by_protocol
from dfuse_jax.evaluate.results import compute_results, predictions_csv
from dfuse_jax.evaluate.roc import fold_curves
from dfuse_jax.report.files import write_json, write_text
from dfuse_jax.report.page import write_page
from dfuse_jax.report.run import card, words
from dfuse_jax.report.run.calibration import draw_calibration
from dfuse_jax.report.run.curves import draw_learning_curves
from dfuse_jax.report.run.roc import draw_roc
from dfuse_jax.report.run.words import console

__all__ = ["FILES", "console", "write"]

FILES = (
    "predictions.csv",
    "learning_curves.png",
    "calibration.png",
    "roc.png",
    "report.md",
    "report.html",
    "model_card.md",
    "results.json",
)


def write(directory: str | os.PathLike, outcome: Outcome) -> dict[str, Any]:
    """Writes FILES, of which the last, results.json, marks a finished run.

    Args:
        directory: made if it is missing; an earlier report in it is replaced.
        outcome: of the run.

    Returns:
        The content of results.json, as `compute_results` describes it.
    """
    directory = pathlib.Path(directory)
    results = compute_results(outcome)
    directory.mkdir(parents=True, exist_ok=True)
    # An old results.json would call a half-written new report finished.
    (directory / "results.json").unlink(missing_ok=True)
    write_text(directory / "predictions.csv", predictions_csv(outcome))
    draw_learning_curves(directory / "learning_curves.png", outcome)
    draw_calibration(directory / "calibration.png", results)
    headline = results["headline"]
    folds = fold_curves(outcome.labels, predictions_by_protocol(outcome)[headline])
    draw_roc(
        directory / "roc.png",
        results,
        results["protocols"][headline]["pooled"]["auc"],
        folds=list(folds),
        title=f"{results['name']}: {headline}",
    )
    report = words.markdown(results)
    write_text(directory / "report.md", report)
    write_page(directory / "report.html", report)
    models = list(itertools.product(range(1, results["runs"] + 1), range(1, results["folds"] + 1)))
    write_text(directory / "model_card.md", card.markdown(results, models))
    write_json(directory / "results.json", results)
    return results

"""The report of a run: what it scored under every protocol, with the controls that a reader needs beside it.

At the end of a run:

    results = run.write("results/demo", outcome)
    print(run.console(results))
"""

import json
import os
import pathlib

from dfuse_jax.evaluate import results as numbers
from dfuse_jax.evaluate.outcome import Outcome
from dfuse_jax.report.run import curves, words
from dfuse_jax.report.run.words import console
from dfuse_jax.runtime.files import atomic

__all__ = ["console", "write"]


def write(directory: str | os.PathLike, outcome: Outcome) -> dict:
    """Writes predictions.csv, learning_curves.png, report.md and, last, results.json: where it is, the run is finished.

    Args:
        directory: made where it is missing; an earlier report in it is replaced.
        outcome: of the run.

    Returns:
        What results.json holds: name, note, versions, config, data, epochs, runs, folds, seconds, `majority`, and
        `protocols`, each with its `folds` (one row for each run and fold) and `summary` (mean, low, high, defined).
    """
    directory = pathlib.Path(directory)
    results = numbers.results(outcome)
    directory.mkdir(parents=True, exist_ok=True)
    # An old results.json beside half of a new report would call that half finished.
    (directory / "results.json").unlink(missing_ok=True)
    _put(directory / "predictions.csv", numbers.predictions(outcome))
    curves.learning_curves(directory / "learning_curves.png", outcome)
    _put(directory / "report.md", words.markdown(results))
    _put(directory / "results.json", json.dumps(results, indent=1, allow_nan=False) + "\n")
    return results


def _put(path: pathlib.Path, content: str) -> None:
    with atomic(path, "wb") as file:  # UTF-8 whatever the locale
        file.write(content.encode())

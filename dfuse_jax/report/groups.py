"""Features of smiles by group, with effect sizes."""

import itertools
import os
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from dfuse_jax.extract.native import require
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.runtime.files import atomic

if TYPE_CHECKING:
    import pandas


def read(path: str | os.PathLike) -> dict[str, str]:
    """Reads a CSV with the columns file and group as {file's name: group}.

    Raises:
        UserError: it is not there, or lacks a column.
    """
    pandas = require("pandas", "analyse")
    try:
        table = pandas.read_csv(path, dtype=str)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as a table ({error}). Expected a CSV with file and group.") from error
    if not {"file", "group"} <= set(table.columns):
        raise UserError(f"{path}: has the columns {', '.join(table.columns)}; expected file and group.")
    return {pathlib.PurePath(file).name: group for file, group in zip(table["file"], table["group"], strict=True)}


def judged(table: "pandas.DataFrame") -> "pandas.Series":
    """Returns what the models take each smile for, spontaneous or posed; None where it was not judged."""
    pandas = require("pandas", "analyse")
    probabilities = table["probability"].to_numpy(float)
    names = [None if np.isnan(p) else "spontaneous" if p >= 0.5 else "posed" for p in probabilities]
    return pandas.Series(names, index=table.index, dtype=object)


def compare(table: "pandas.DataFrame", group: "pandas.Series", features: Sequence[str]) -> "pandas.DataFrame":
    """Compares every feature between every two groups.

    The effect size is Hedges' g: the difference of the means over the pooled standard deviation, times
    1 - 3 / (4 (n1 + n2) - 9), which takes out most of its bias in small samples (Hedges 1981). Smiles of one person
    are not independent, so there is no test of significance here.

    Args:
        table: a row a smile.
        group: of every row; rows without one are left out.
        features: columns.

    Returns:
        A row a feature and pair of groups: names, counts, means and standard deviations of both, and hedges_g, which is
        positive where the first one is larger; NaN where a group has fewer than two smiles, or nothing varies.
    """
    pandas = require("pandas", "analyse")
    names = sorted(group.dropna().unique())
    rows = []
    for first, second in itertools.combinations(names, 2):
        for feature in features:
            a, b = (table.loc[group == name, feature].dropna().to_numpy(float) for name in (first, second))
            rows.append(
                {
                    "feature": feature,
                    "group": first,
                    "other": second,
                    **{"n": len(a), "n_other": len(b)},
                    **{"mean": _mean(a), "mean_other": _mean(b)},
                    **{"sd": _deviation(a), "sd_other": _deviation(b)},
                    "hedges_g": hedges_g(a, b),
                }
            )
    columns = ["feature", "group", "other", "n", "n_other", "mean", "mean_other", "sd", "sd_other", "hedges_g"]
    return pandas.DataFrame(rows, columns=columns)


def hedges_g(a: np.ndarray, b: np.ndarray) -> float:
    """Returns Hedges' g of two samples; NaN where one has fewer than two values, or nothing varies."""
    if min(len(a), len(b)) < 2:
        return float("nan")
    freedom = len(a) + len(b) - 2
    pooled = np.sqrt(((len(a) - 1) * a.var(ddof=1) + (len(b) - 1) * b.var(ddof=1)) / freedom)
    if pooled == 0:
        return float("nan")
    return float((a.mean() - b.mean()) / pooled * (1 - 3 / (4 * (len(a) + len(b)) - 9)))


def write(path: str | os.PathLike, table: "pandas.DataFrame") -> None:
    """Writes the table as a CSV, which is whole or not there."""
    with atomic(path) as file:
        table.to_csv(file, index=False, float_format="%.7g", lineterminator="\n")


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _deviation(values: np.ndarray) -> float:
    return float(values.std(ddof=1)) if len(values) > 1 else float("nan")

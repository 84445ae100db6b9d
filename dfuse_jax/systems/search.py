"""The choice of a classifier's settings by an inner cross-validation."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.model_selection import GridSearchCV

TIE = 1e-12  # scores that differ by less are equal


class Strongest:
    """Chooses the best score; of equal ones the first by the fields given, so that the strongest regularisation wins.

    Args:
        fields: of the grid, the most important first; the smaller value is the stronger regularisation.
    """

    def __init__(self, fields: Sequence[str]):
        self.fields = tuple(fields)

    def __call__(self, results: Mapping[str, Any]) -> int:
        """Returns the index of the chosen settings in GridSearchCV's results."""
        scores = np.nan_to_num(np.asarray(results["mean_test_score"]), nan=-np.inf)
        best = np.nonzero(scores >= scores.max() - TIE)[0]
        return min(best, key=lambda index: [results["params"][index][field] for field in self.fields])


def choose(classifier: Any, grid: Mapping[str, Sequence], splits: Sequence, *, order: Sequence[str]) -> GridSearchCV:
    """Returns the classifier as one that chooses among a grid of settings when it is fitted.

    Args:
        classifier: of scikit-learn.
        grid: values by field.
        splits: of the inner cross-validation, over the rows that it will be fitted to.
        order: of the grid's fields in which ties are decided, see `Strongest`.
    """
    return GridSearchCV(
        classifier, {**grid}, scoring="balanced_accuracy", cv=list(splits), refit=Strongest(order), n_jobs=1
    )

"""D-Markers as a scikit-learn transformer: from videos to a table that any classifier takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from dfuse_jax.dmarkers._batch import compute_batch
from dfuse_jax.dmarkers._checks import validate
from dfuse_jax.dmarkers._features import FEATURE_NAMES
from dfuse_jax.dmarkers._points import select

if TYPE_CHECKING:
    from jaxtyping import Float


class DMarkers(TransformerMixin, BaseEstimator):
    """Landmark sequences of any lengths -> [N, 225], in the order of FEATURE_NAMES. It learns nothing from `fit`.

    A sequence is an array [T, 478, 3] or [T, 11, 3], or an object with `landmarks`, and with `fps` and `aspect` of its
    own (`dfuse_jax.samples.Sample`). Several are a list, a tuple, an array of objects, a pandas Series or any other
    iterable: row i of the result belongs to the i-th sequence in the order of iteration, whatever index a Series has.
    For "authors" the landmarks must be min-max scaled, as for `compute`.

    Args:
        fps: frames per second, where a sequence does not say (default 25).
        aspect: image height / width, where a sequence does not say.
        definition: "paper", "robust" or "authors", as for `compute`.
        smoothing: "4253H" or None, as for `compute`; "default" is "4253H", which is made for whole videos, and None for
            "robust", which smooths by itself.
    """

    def __init__(self, fps=25.0, aspect=1.0, definition="paper", smoothing="default"):
        self.fps = fps
        self.aspect = aspect
        self.definition = definition
        self.smoothing = smoothing

    def fit(self, X: Iterable, y: Any = None) -> DMarkers:
        """Returns itself: there is nothing to learn. It does not read the sequences, which may be a generator's.

        Raises:
            ValueError: for a table or a mapping.
        """
        _check_container(X)
        return self

    def transform(self, X: Iterable) -> Float[np.ndarray, "sequences 225"]:
        """Computes the D-Markers of every sequence: [N, 225].

        Raises:
            ValueError: names the sequence that cannot be used, and why; or for a table, a mapping or an unknown option.
        """
        _check_container(X)
        points, rates, aspects = [], [], []
        for number, sequence in enumerate(X):
            landmarks = np.asarray(getattr(sequence, "landmarks", sequence))
            fps, aspect = getattr(sequence, "fps", self.fps), getattr(sequence, "aspect", self.aspect)
            try:
                validate(landmarks, fps, aspect=aspect)
            except ValueError as error:
                raise ValueError(f"sequence {number}: {error}") from error
            points.append(select(landmarks))
            rates.append(fps)
            aspects.append(aspect)
        smoothing = self.smoothing
        if smoothing == "default":
            smoothing = None if self.definition == "robust" else "4253H"
        return compute_batch(points, rates, aspect=aspects, definition=self.definition, smoothing=smoothing)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Returns the names of the 225 columns."""
        return np.array(FEATURE_NAMES, object)

    def __sklearn_is_fitted__(self) -> bool:
        """Returns True: there is nothing to learn."""
        return True


def _check_container(X: Iterable) -> None:
    """Raises ValueError for what iterates over something else than its sequences: names of columns, or keys."""
    if isinstance(X, Mapping):
        raise ValueError("X is a mapping, expected the sequences themselves: give list(X.values()).")
    if hasattr(X, "columns"):
        raise ValueError(
            f"X is a {type(X).__name__}, expected the sequences themselves: give its column of them, as X['landmarks'] "
            "(in a ColumnTransformer, the column's name as a string and not in a list)."
        )

"""D-Markers as a scikit-learn transformer: from videos to a table that any classifier takes."""

import functools

import jax
import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from dfuse_jax.dmarkers import compute
from dfuse_jax.dmarkers._checks import validate
from dfuse_jax.dmarkers._features import FEATURE_NAMES
from dfuse_jax.dmarkers._points import LANDMARKS

BATCH = 64  # sequences a call: one compiled program serves every data set


class DMarkers(TransformerMixin, BaseEstimator):
    """Landmark sequences of any lengths -> [N, 225], in the order of FEATURE_NAMES. It learns nothing from `fit`.

    Args:
        fps: frames per second, where a sequence does not say (default 25).
        aspect: image height / width, where a sequence does not say.
        definition: "paper" or "authors", as `dmarkers.compute`'s.
        smoothing: "4253H" (the default, made for whole videos), or None.

    A sequence is an array [T, 478, 3] or [T, 11, 3], or an object with `landmarks`, and with `fps` and `aspect` of its
    own (`dfuse_jax.samples.Sample`). For "authors" the landmarks must be min-max scaled, as for `compute`.
    """

    def __init__(self, fps=25.0, aspect=1.0, definition="paper", smoothing="4253H"):
        self.fps = fps
        self.aspect = aspect
        self.definition = definition
        self.smoothing = smoothing

    def fit(self, X, y=None):
        """Checks the sequences and returns itself."""
        for i in range(len(X)):
            self._read(X, i)
        return self

    def transform(self, X):
        """The D-Markers of every sequence: [N, 225] float32.

        Raises:
            ValueError: names the sequence that cannot be used, and why; or an unknown option.
        """
        sequences = [self._read(X, i) for i in range(len(X))]
        batches = [self._compute(sequences[i : i + BATCH]) for i in range(0, len(sequences), BATCH)]
        return np.concatenate([*batches, np.zeros((0, len(FEATURE_NAMES)), np.float32)])

    def get_feature_names_out(self, input_features=None):
        """The names of the 225 columns."""
        return np.array(FEATURE_NAMES, object)

    def __sklearn_is_fitted__(self):
        """Always: there is nothing to learn."""
        return True

    def _read(self, X, i):
        """Sequence i as Table 1's points [T, 11, 3], frame rate and aspect."""
        points, fps = np.asarray(getattr(X[i], "landmarks", X[i])), getattr(X[i], "fps", self.fps)
        try:
            validate(points, fps)
        except ValueError as error:
            raise ValueError(f"sequence {i}: {error}") from error
        return (
            points if points.shape[1] == 11 else points[:, list(LANDMARKS)],
            fps,
            getattr(X[i], "aspect", self.aspect),
        )

    def _compute(self, sequences):
        """Padded to a full batch of a power of two of frames, so that few shapes are ever compiled."""
        frames = 1 << (max(len(points) for points, *_ in sequences) - 1).bit_length()
        padded = np.zeros((BATCH, frames, len(LANDMARKS), 3), np.float32)
        length, fps, aspect = np.ones(BATCH, np.int32), np.ones(BATCH, np.float32), np.ones(BATCH, np.float32)
        for i, (points, fps[i], aspect[i]) in enumerate(sequences):
            padded[i, : len(points)], length[i] = points, len(points)
        found = _batch(self.definition, self.smoothing)(padded, fps, length, aspect)
        return np.asarray(found)[: len(sequences)]


@functools.cache
def _batch(definition, smoothing):
    one = functools.partial(compute, definition=definition, smoothing=smoothing)
    return jax.jit(jax.vmap(lambda points, fps, length, aspect: one(points, fps, length=length, aspect=aspect)))

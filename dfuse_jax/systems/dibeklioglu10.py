"""Dibeklioglu, Valenti, Salah and Gevers 2010: the movement of the eyelids.

What is known: distances and angles of the eyelids were used; hidden Markov models, nearest neighbours and naive Bayes
were compared. The features are our reading: Table 2 of the eye signal (eq. 6) and of the lids' angle, smoothed by
4253H, in the phases of the lip corners; mRMR chooses among them.

H. Dibeklioglu, R. Valenti, A. A. Salah and T. Gevers, "Eyes do not lie: spontaneous versus posed smiles", ACM
Multimedia (2010).
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dfuse_jax import dmarkers
from dfuse_jax.samples import Sample
from dfuse_jax.systems import checks
from dfuse_jax.systems.classical import Classical, Split
from dfuse_jax.systems.mrmr import MRMR
from dfuse_jax.systems.search import choose

NAME = "dibeklioglu10"
EYE, LIP = dmarkers.REGIONS.index("eye"), dmarkers.REGIONS.index("lip")
# Rows of Table 1: outer corner, lid and inner corner of the right and of the left eye.
RIGHT, LEFT = (0, 1, 2), (5, 4, 3)
CLASSIFIERS = {
    "naive_bayes": (GaussianNB(), {}),
    "neighbours": (KNeighborsClassifier(), {"kneighborsclassifier__n_neighbors": (1, 3, 5, 7, 9)}),
}
COUNTS = (5, 10, 20)
TRUSTED = ("dfuse_jax.systems.mrmr.MRMR",)


def build(config: Mapping) -> Classical:
    """Returns the system of a config; raises UserError for a field of its section `model` that cannot be."""
    checks.one_of(config, "model.classifier", tuple(CLASSIFIERS))
    classifier = functools.partial(_classifier, config["model"]["classifier"])
    return Classical(NAME, features=lid_features, classifier=classifier, trusted=TRUSTED)


def lid_features(samples: Sequence[Sample]) -> Float[np.ndarray, "videos 150"]:
    """Returns Table 2 of the eye signal and of the lids' angle, for onset, apex and offset, of each video."""
    values = dmarkers.map_batch(
        _program,
        (sample.landmarks for sample in samples),
        [sample.fps for sample in samples],
        aspect=[sample.aspect for sample in samples],
    )
    return np.zeros((0, 150)) if values is None else values


def lid_angles(points: Float[Array, "frames 11 3"], aspect: Array) -> Float[Array, "2 frames"]:
    """Returns pi less the angle at the lid between the corners of the right and of the left eye, in radians, unsigned.

    It is 0 where the lid lies between the corners, and does not depend on where the head is or how it is turned.
    """
    scaled = points * jnp.stack([jnp.ones_like(aspect), aspect, jnp.ones_like(aspect)])

    def angle(outer: int, lid: int, inner: int) -> Array:
        a, b = scaled[:, outer] - scaled[:, lid], scaled[:, inner] - scaled[:, lid]
        return jnp.pi - jnp.arctan2(jnp.linalg.norm(jnp.cross(a, b), axis=-1), (a * b).sum(axis=-1))

    return jnp.stack([angle(*RIGHT), angle(*LEFT)])


@jax.jit
@jax.vmap
def _program(points: Array, fps: Array, length: Array, aspect: Array) -> Array:
    curves = dmarkers.signals(points, length=length, aspect=aspect)
    counts = (jnp.arange(len(points)) < length)[:, None, None]
    angles = lid_angles(jnp.where(counts, points, points[:1]), aspect)
    right, left = (
        jnp.where(side[EYE] < 0, -1, 1) * angle for side, angle in zip((curves.right, curves.left), angles, strict=True)
    )
    lip = curves.mean[LIP]
    three = dmarkers.Signals(
        mean=dmarkers.smooth(jnp.stack([curves.mean[EYE], (right + left) / 2, lip]), length=length),
        right=jnp.stack([curves.right[EYE], right, lip]),
        left=jnp.stack([curves.left[EYE], left, lip]),
    )
    return dmarkers.describe(three, fps, length=length)[:2].reshape(-1)


def _classifier(name: str, splits: list[Split]) -> Any:
    classifier, grid = CLASSIFIERS[name]
    pipeline = make_pipeline(StandardScaler(), MRMR(), classifier)
    return choose(pipeline, {"mrmr__k": COUNTS, **grid}, splits, order=["mrmr__k"])

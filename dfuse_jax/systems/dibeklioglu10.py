"""Dibeklioglu, Valenti, Salah and Gevers 2010: the movement of the eyelids.

What is known: distances and angles of the eyelids were used; naive Bayes, nearest neighbours and hidden Markov models
were compared. The features are our reading: the eye signal of the D-Markers (eq. 6) and the lids' angle, smoothed by
4253H. Naive Bayes and nearest neighbours take the values of Table 2 in the phases of the lip corners, or of the whole
video, among which mRMR chooses; the Markov models take the two signals and their speeds, frame by frame.

H. Dibeklioglu, R. Valenti, A. A. Salah and T. Gevers, "Eyes do not lie: spontaneous versus posed smiles", ACM
Multimedia (2010).
"""

import functools
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline

from dfuse_jax import dmarkers
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.samples import Sample
from dfuse_jax.systems import checks, hmm
from dfuse_jax.systems.classical import Classical, map_samples, switches
from dfuse_jax.systems.search import Split, choose, configured

NAME = "dibeklioglu10"
CLASSIFIERS = {
    "naive_bayes": (GaussianNB(), {}),
    "neighbours": (KNeighborsClassifier(algorithm="brute"), {"n_neighbors": (1, 3, 5, 7, 9)}),
}
HMM = "hmm"
SEGMENTS = ("phases", "whole")
COUNTS = (5, 10, 20)
TRUSTED = ("dfuse_jax.systems.mrmr.MRMR", "dfuse_jax.systems.hmm.Classifier", "dfuse_jax.systems.hmm.Model")
FRAMES = 128  # videos are padded to a multiple of so many for the Markov models
EYE, LIP = dmarkers.REGIONS.index("eye"), dmarkers.REGIONS.index("lip")
# Rows of Table 1: outer corner, lid and inner corner of the right and of the left eye.
RIGHT, LEFT = (0, 1, 2), (5, 4, 3)


def build(config: Mapping) -> Classical:
    """Returns the system of a config; raises UserError for a field of its section `model` that cannot be."""
    checks.one_of(config, "model.classifier", (*CLASSIFIERS, HMM))
    checks.one_of(config, "model.segment", SEGMENTS)
    name = config["model"]["classifier"]
    if name == HMM:
        return Classical(NAME, features=lid_movements, learn=hmm.learn, trusted=TRUSTED, **switches(config))
    if name == "neighbours" and checks.is_on(config, "class_weights"):
        raise UserError("config.options.class_weights: nearest neighbours have no weights; take another classifier.")
    return Classical(
        NAME,
        features=functools.partial(lid_features, segment=config["model"]["segment"]),
        learn=functools.partial(_learn, name),
        trusted=TRUSTED,
        **switches(config),
    )


def lid_features(samples: Sequence[Sample], *, segment: str = "phases") -> Float[np.ndarray, "videos values"]:
    """Returns Table 2 of the eye signal and of the lids' angle, for each phase or for the whole video."""
    return map_samples(_TABLES[segment], samples)


def lid_movements(samples: Sequence[Sample]) -> Float[np.ndarray, "videos frames 4"]:
    """Returns the eye signal, the lids' angle [rad] and their speeds [1/s] in every frame; NaN after a video's end."""
    longest = max((len(sample.landmarks) for sample in samples), default=0)
    result = np.full((len(samples), longest, 4), np.nan)
    for row, sample in zip(result, samples, strict=True):
        length = len(sample.landmarks)
        points = sample.landmarks[:, np.array(dmarkers.LANDMARKS)]
        points = np.pad(points, ((0, -length % FRAMES), (0, 0), (0, 0)), mode="edge")  # few shapes to compile for
        row[:length] = np.asarray(_movement(points, sample.fps, length, sample.aspect))[:length]
    return result


def lid_angles(points: Float[Array, "frames 11 3"], aspect: Array) -> Float[Array, "2 frames"]:
    """Returns pi less the angle at the lid between the corners of the right and of the left eye, in radians, unsigned.

    It is 0 where the lid lies between the corners, and does not depend on where the head is or how it is turned.
    """
    scaled = points * jnp.stack([jnp.ones_like(aspect), aspect, jnp.ones_like(aspect)])

    def angle(outer: int, lid: int, inner: int) -> Array:
        a, b = scaled[:, outer] - scaled[:, lid], scaled[:, inner] - scaled[:, lid]
        return jnp.pi - jnp.arctan2(jnp.linalg.norm(jnp.cross(a, b), axis=-1), (a * b).sum(axis=-1))

    return jnp.stack([angle(*RIGHT), angle(*LEFT)])


def _signals(points: Array, length: Array, aspect: Array) -> dmarkers.Signals:
    """Returns eye signal, lids' angle and lip signal of both sides, and their smoothed means."""
    curves = dmarkers.signals(points, length=length, aspect=aspect)
    counts = (jnp.arange(len(points)) < length)[:, None, None]
    angles = lid_angles(jnp.where(counts, points, points[:1]), jnp.asarray(aspect))
    right, left = (  # signed like eq. 6
        jnp.where(side[EYE] < 0, -1, 1) * angle for side, angle in zip((curves.right, curves.left), angles, strict=True)
    )
    means = jnp.stack([curves.mean[EYE], (right + left) / 2, curves.mean[LIP]])
    return dmarkers.Signals(
        mean=dmarkers.smooth(means, length=length),
        right=jnp.stack([curves.right[EYE], right, curves.right[LIP]]),
        left=jnp.stack([curves.left[EYE], left, curves.left[LIP]]),
    )


def _describe_phases(points: Array, fps: Array, length: Array, aspect: Array) -> Float[Array, "150"]:
    return dmarkers.describe(_signals(points, length, aspect), fps, length=length)[:2].reshape(-1)


def _describe_whole(points: Array, fps: Array, length: Array, aspect: Array) -> Float[Array, "50"]:
    return dmarkers.describe(_signals(points, length, aspect), fps, length=length, phases="whole")[:2, 0].reshape(-1)


@jax.jit
def _movement(points: Array, fps: Array, length: Array, aspect: Array) -> Float[Array, "frames 4"]:
    levels = _signals(points, length, aspect).mean[:2].T
    return jnp.concatenate([levels, jnp.diff(levels, axis=0, prepend=levels[:1]) * fps], axis=1)


_TABLES = {"phases": jax.jit(jax.vmap(_describe_phases)), "whole": jax.jit(jax.vmap(_describe_whole))}


def _learn(
    name: str,
    features: Float[np.ndarray, "videos features"],
    labels: Int[np.ndarray, " videos"],
    splits: Sequence[Split],
    *,
    balanced: bool,
) -> Pipeline:
    classifier, grid = CLASSIFIERS[name]
    if balanced:
        classifier = configured(classifier, {"priors": [0.5, 0.5]})
    fewest = min(len(train) for train, _ in splits)
    grid = {setting: [value for value in values if value <= fewest] for setting, values in grid.items()}
    pipeline = choose(
        classifier,
        features,
        labels,
        splits,
        counts=COUNTS,
        grid=grid,
        strongest=lambda count, settings: (count, -settings.get("n_neighbors", 0)),
    )
    return pipeline.fit(features, labels)

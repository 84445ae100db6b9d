"""How far two classes lie apart in a space of embeddings, and how the spaces of several models become one.

Every number is computed in the space itself, with all its dimensions and Euclidean distances as they are, never in a
picture of two dimensions: t-SNE moves points together and apart as it needs.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped
from sklearn.metrics import silhouette_score

SHUFFLES = 100


class Separation(NamedTuple):
    """How far the classes lie apart among videos that one model has embedded; None where it is undefined.

    Attributes:
        silhouette: mean over the videos, -1 to 1 (Rousseeuw 1987); needs two videos of a class and two classes.
        shuffled: the mean silhouette of labels that are dealt out anew, about 0.
        neighbour: share of the videos whose nearest neighbour among other people's videos is of their class.
    """

    silhouette: float | None
    shuffled: float | None
    neighbour: float | None


class Alignment(NamedTuple):
    """A similarity that brings one space onto another: v -> scale (v - middle) rotation + onto.

    Attributes:
        middle: of the points in the first space.
        rotation: orthogonal; reflections are allowed, as the axes of an embedding have no order and no sign.
        scale: one for all axes.
        onto: middle of the points in the second space.
        explained: share of the points' variance in the second space that is met; 1 for spaces of one shape.
    """

    middle: Float[np.ndarray, " width"]
    rotation: Float[np.ndarray, "width width"]
    scale: float
    onto: Float[np.ndarray, " width"]
    explained: float

    def __call__(self, vectors: Float[np.ndarray, "videos width"]) -> Float[np.ndarray, "videos width"]:
        """Returns vectors of the first space in the second."""
        return self.scale * (vectors - self.middle) @ self.rotation + self.onto


def separation(
    vectors: Float[np.ndarray, "videos width"],
    labels: Int[np.ndarray, " videos"],
    subjects: Shaped[np.ndarray, " videos"],
    *,
    seed: int = 0,
) -> Separation:
    """Returns how far the classes lie apart, of videos that one model has embedded."""
    rng = np.random.default_rng(seed)
    shuffles = [silhouette(vectors, rng.permutation(labels)) for _ in range(SHUFFLES)]
    known = [value for value in shuffles if value is not None]
    return Separation(
        silhouette=silhouette(vectors, labels),
        shuffled=float(np.mean(known)) if known else None,
        neighbour=neighbour_accuracy(vectors, labels, subjects),
    )


def silhouette(vectors: Float[np.ndarray, "videos width"], labels: Int[np.ndarray, " videos"]) -> float | None:
    """Returns the mean silhouette; None unless there are two classes and more videos than these."""
    classes = len(np.unique(labels))
    if not 2 <= classes < len(labels):
        return None
    return float(silhouette_score(vectors, labels))


def neighbour_accuracy(
    vectors: Float[np.ndarray, "videos width"],
    labels: Int[np.ndarray, " videos"],
    subjects: Shaped[np.ndarray, " videos"],
) -> float | None:
    """Returns the share of videos whose nearest neighbour among other people's is of their class.

    This is the leave-one-out accuracy of a classifier by the nearest neighbour, where a person's other videos are left
    out with the video: the same face lies near whatever it does. None for a single person.
    """
    squares = (vectors**2).sum(axis=1)
    distances = squares[:, None] + squares[None] - 2 * vectors @ vectors.T
    distances[subjects[:, None] == subjects[None]] = np.inf
    nearest = distances.argmin(axis=1)
    if np.isinf(distances.min(axis=1)).any():
        return None
    return float((labels[nearest] == labels).mean())


def align(points: Float[np.ndarray, "videos width"], onto: Float[np.ndarray, "videos width"]) -> Alignment:
    """Returns the similarity that brings points of one space closest to the same videos' points of another.

    Least squares: orthogonal Procrustes with a scale (Schoenemann & Carroll 1970).
    """
    middle, target = points.mean(axis=0), onto.mean(axis=0)
    centred, wanted = points - middle, onto - target
    left, values, right = np.linalg.svd(centred.T @ wanted)
    total = float((centred**2).sum())
    scale = float(values.sum()) / total if total else 0.0
    rotation = left @ right
    rest = float(((scale * centred @ rotation - wanted) ** 2).sum())
    variance = float((wanted**2).sum())
    return Alignment(middle, rotation, scale, target, 1 - rest / variance if variance else 1.0)

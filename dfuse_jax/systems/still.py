"""Clips in which a part of the face, or the face in some frames, does not move: what the encoder makes of the rest.

To leave something out of a clip is to put the face at rest in its place, where the head is at that moment. What is left
is a face again, so that the network is not asked about pictures that no camera takes. Rest is the median over the fifth
of the frames in which the lips are stretched least.
"""

import functools

import numpy as np
from jaxtyping import Bool, Float, Int

from dfuse_jax import dmarkers
from dfuse_jax.data.synthetic.muscles import CHEEKS, LIP_CORNERS, neutral_face
from dfuse_jax.samples import Sample

PARTS = ("eyes", "cheeks", "lips", "the rest")
REST_SHARE = 0.2  # of the frames
EYE_CORNERS = ((33, 133), (362, 263))
EYE_RADIUS, CHEEK_RADIUS, LIP_RADIUS = 0.22, 0.4, 0.2  # in distances of the eyes, on the face at rest
# Corners of the eyes, ridge of the nose, forehead, temples: a smile moves them little.
FIRM = (33, 133, 362, 263, 168, 6, 197, 195, 10, 127, 356)


@functools.cache
def part_of_landmarks() -> Int[np.ndarray, " 478"]:
    """Returns the number in PARTS of every landmark's part of the face."""
    return margins().argmax(axis=0)


@functools.cache
def margins() -> Float[np.ndarray, "4 478"]:
    """Returns how far each landmark lies within each of PARTS, in distances of the eyes; at most one is positive.

    Where two parts overlap, the eyes come before the lips and these before the cheeks.
    """
    face = neutral_face()[:, :2]
    eyes = EYE_RADIUS - np.minimum(*(_distance(face, *corners) for corners in EYE_CORNERS))
    lips = LIP_RADIUS - _distance(face, *LIP_CORNERS)
    cheeks = CHEEK_RADIUS - np.minimum(*(np.linalg.norm(face - face[cheek], axis=1) for cheek in CHEEKS))
    lips = np.minimum(lips, -eyes)
    cheeks = np.minimum(cheeks, np.minimum(-eyes, -lips))
    return np.stack([eyes, cheeks, lips, -np.maximum(eyes, np.maximum(cheeks, lips))])


def still_face(sample: Sample) -> Float[np.ndarray, "frames 478 3"]:
    """Returns the face at rest, carried along with the head: turned, moved and scaled as the firm landmarks are."""
    metric = np.array([1, sample.aspect, 1])
    points = np.asarray(sample.landmarks, float) * metric
    upright = carry(points, FIRM, onto=points[:1])
    lip = np.asarray(dmarkers.signals(sample.landmarks, aspect=sample.aspect, definition="robust").mean)
    order = np.argsort(lip[dmarkers.REGIONS.index("lip")], kind="stable")
    rest = np.median(upright[order[: max(1, round(REST_SHARE * len(order)))]], axis=0)
    return (carry(rest[None], FIRM, onto=points) / metric).astype(np.float32)


def hold(
    points: Float[np.ndarray, "*frames landmarks 3"],
    still: Float[np.ndarray, "*frames landmarks 3"],
    held: Bool[np.ndarray, "*frames landmarks"],
) -> Float[np.ndarray, "*frames landmarks 3"]:
    """Returns the points, those that are held as in the face at rest."""
    return np.where(held[..., None], still, points)


def carry(
    faces: Float[np.ndarray, "faces 478 3"], firm: tuple[int, ...], *, onto: Float[np.ndarray, "targets 478 3"]
) -> Float[np.ndarray, "frames 478 3"]:
    """Returns faces turned, moved and scaled so that their firm landmarks come to lie on those of others.

    Least squares by Umeyama 1991. Either there are equally many, or one of the two is repeated.

    Args:
        faces: that are carried.
        firm: landmarks.
        onto: where they are carried.
    """
    source, target = faces[:, list(firm)], onto[:, list(firm)]
    source_middle, target_middle = source.mean(axis=1, keepdims=True), target.mean(axis=1, keepdims=True)
    source, target = source - source_middle, target - target_middle
    left, values, right = np.linalg.svd(np.swapaxes(target, 1, 2) @ source)
    signs = np.ones_like(values)
    signs[:, -1] = np.sign(np.linalg.det(left @ right))  # a rotation, no reflection
    rotation = (left * signs[:, None]) @ right
    factor = (values * signs).sum(axis=1) / np.maximum((source**2).sum(axis=(1, 2)), 1e-12)
    return factor[:, None, None] * (faces - source_middle) @ np.swapaxes(rotation, 1, 2) + target_middle


def _distance(face: Float[np.ndarray, "478 2"], start: int, end: int) -> Float[np.ndarray, " 478"]:
    """Returns every landmark's distance from the line between two of them."""
    along = face[end] - face[start]
    share = np.clip((face - face[start]) @ along / (along @ along), 0, 1)
    return np.linalg.norm(face - face[start] - share[:, None] * along, axis=1)

"""The coordinates in which a network sees the landmarks of a smile: the paper's, or some that show the smile better.

"image": the paper's. MediaPipe's coordinates are min-max scaled with the published constants. Where the head is in the
    picture, how it is turned and whose face it is then differ far more between clips than what the face does in them.
"face": the head's pose is taken out. Every frame is turned, scaled and moved onto a face at rest, the same for all
    videos, so that its landmarks have the least squared distance to it.
"motion": whose face it is is taken out as well. That face at rest moves as the landmarks have moved in the face since
    the video began. What stays the same over a whole video is not seen.
"""

import functools
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Float32

from dfuse_jax.data.synthetic.muscles import neutral_face
from dfuse_jax.samples import Sample, scale

NAMES = ("image", "face", "motion")
DEFAULT = "image"
SIZE = 0.2  # of the distance between the eyes: the face fills about as much of [0, 1] as in the paper's coordinates
BEGINNING = 5  # frames whose mean is the face from which motion is measured


def choice(config: Mapping) -> str:
    """Returns the name of the coordinates of a recipe; one from before there was a choice has the paper's."""
    return config["train"].get("clip_coordinates", DEFAULT)


def read(sample: Sample, coordinates: str) -> Float[np.ndarray, "frames 478 3"]:
    """Returns a sample's landmarks in the coordinates of this name."""
    if coordinates == "image":
        return scale(sample.landmarks)
    face = _without_pose(sample.landmarks * np.array((1, sample.aspect, 1), np.float32))
    return rest() + face - face[:BEGINNING].mean(axis=0) if coordinates == "motion" else face


def _without_pose(points: Float[np.ndarray, "frames 478 3"]) -> Float32[np.ndarray, "frames 478 3"]:
    """Returns the points of every frame turned, scaled and moved onto `rest`.

    The least squares are those of S. Umeyama, "Least-squares estimation of transformation parameters between two point
    patterns", IEEE Trans. Pattern Anal. Mach. Intell. 13, 1991.

    Args:
        points: on one scale in all three axes.
    """
    centred = (points - points.mean(axis=1, keepdims=True)).astype(np.float32)
    middle = rest().mean(axis=0)
    left, sizes, right = np.linalg.svd(np.einsum("tpi,pj->tij", centred, rest() - middle))
    sign = np.sign(np.linalg.det(left @ right))  # -1: the best orthogonal matrix is a reflection, which no head makes
    left[:, :, 2] *= sign[:, None]
    sizes[:, 2] *= sign
    ratio = sizes.sum(axis=1) / np.square(centred).sum(axis=(1, 2))
    return ratio[:, None, None] * (centred @ (left @ right)) + middle


@functools.cache
def rest() -> Float32[np.ndarray, "478 3"]:
    """Returns the face at rest on which all others are laid."""
    face = neutral_face()
    return SIZE * (face - face.mean(axis=0)) + np.float32(0.5)

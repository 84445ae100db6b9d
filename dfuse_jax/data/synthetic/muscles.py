"""How a face of 478 landmarks moves when it smiles: smooth displacement fields, one for each muscle and side.

Face coordinates: origin midway between the eyes, unit the distance between the eyes (midpoints of their corners), x
from the person's right to the left, y down, z away from the viewer, the head upright and turned to the viewer. A field
is [478, 3], where the landmarks go when the muscle contracts fully, so that a moving face is `face + weights @ fields`.
The shapes are drawn by eye to look like a smile; they are not measurements of facial muscles.
"""

import functools
import pathlib

import numpy as np

NEUTRAL_FACE = pathlib.Path(__file__).with_name("neutral_face.npy")

# Contours in Attention Mesh's numbering, from the person's right to the left, without their corners.
LIPS = ((191, 80, 81, 82, 13, 312, 311, 310, 415), (95, 88, 178, 87, 14, 317, 402, 318, 324))  # upper, lower, inside
LIDS = (
    ((246, 161, 160, 159, 158, 157, 173), (7, 163, 144, 145, 153, 154, 155)),  # right eye: upper, lower
    ((398, 384, 385, 386, 387, 388, 466), (382, 381, 380, 374, 373, 390, 249)),  # left eye
)
LIP_CORNERS, CHEEKS, LOWER_LIDS = (61, 291), (50, 280), (23, 253)  # right, left

MUSCLES = ("smile", "smile", "cheek", "cheek", "lids", "lids", "jaw")  # the order of `muscles`: right, left, ..., jaw


@functools.cache
def neutral_face() -> np.ndarray:
    """[478, 3] float32: a face at rest, in face coordinates. `neutral_face.py` beside this file made it."""
    face = np.load(NEUTRAL_FACE)
    face.flags.writeable = False  # one copy for everybody
    return face


def bump(face: np.ndarray, landmark: int, move, radius: float) -> np.ndarray:
    """[478, 3]: `move` at one landmark, fading around it as a Gaussian of this radius."""
    square = ((face - face[landmark]) ** 2).sum(axis=-1, keepdims=True)
    return np.exp(-square / (2 * radius**2)) * np.asarray(move, face.dtype)


def modes(rng: np.random.Generator, face: np.ndarray, count: int, size: float) -> np.ndarray:
    """[count, 478, 3]: smooth random deformations of the face, `size` eye distances strong."""
    centres, moves = rng.integers(len(face), size=count), rng.normal(0, size, (count, 3))
    return np.stack([bump(face, c, move, 0.4) for c, move in zip(centres, moves, strict=True)])


def closing(face: np.ndarray, contours, upper: float, radius: float) -> np.ndarray:
    """[478, 3]: the two contours meet.

    Args:
        face: [478, 3].
        contours: landmarks of the upper and of the lower edge, one above the other.
        upper: the share of the way that the upper edge goes.
        radius: how far from the edges the skin follows.
    """
    gap, beyond, below = _opening(face, contours)
    share = np.where(below, upper - 1, upper)
    move = np.zeros_like(face)
    move[:, 1] = share * gap * np.exp(-(beyond**2) / (2 * radius**2))
    return move


def muscles(face: np.ndarray) -> np.ndarray:
    """[7, 478, 3]: full contraction of the muscles that MUSCLES names, on this face.

    smile: zygomaticus major, the lip corner goes up, out and back. cheek: the cheek is raised, the lower lid with it.
    lids: orbicularis oculi, the eye closes. jaw: the lips part.
    """
    sides = (-1, 1)
    fields = [bump(face, c, (0.14 * s, -0.11, 0.07), 0.22) for s, c in zip(sides, LIP_CORNERS, strict=True)]
    for side, cheek, lid in zip(sides, CHEEKS, LOWER_LIDS, strict=True):
        fields.append(bump(face, cheek, (0.02 * side, -0.07, -0.03), 0.18) + bump(face, lid, (0, -0.02, 0), 0.1))
    fields += [closing(face, contours, upper=0.8, radius=0.05) for contours in LIDS]
    _, _, below = _opening(face, LIPS)
    fields.append(bump(face, 17, (0, 0.14, 0.03), 0.3) * below[:, None])
    return np.stack(fields)


def _opening(face, contours):
    """Of every landmark, [478]: the gap between the contours at its x, how far outside it lies, and whether below."""
    upper, lower = (face[list(contour)] for contour in contours)
    across = face[:, 0]
    top, bottom = (np.interp(across, edge[:, 0], edge[:, 1]) for edge in (upper, lower))
    gap = np.maximum(bottom - top, 0)
    middle = (top + bottom) / 2
    # Beside the contours, too, their influence fades.
    left, right = upper[0, 0], upper[-1, 0]
    beside = np.maximum(0, np.maximum(left - across, across - right))
    beyond = np.hypot(np.maximum(0, np.abs(face[:, 1] - middle) - gap / 2), beside)
    return gap, beyond, face[:, 1] > middle

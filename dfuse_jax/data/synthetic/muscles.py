"""How a face of 478 landmarks moves when it smiles: smooth displacement fields, one for each muscle and side.

Face coordinates: origin midway between the eyes, unit the distance between the eyes (midpoints of their corners), x
from the person's right to the left, y down, z away from the viewer, the head upright and turned to the viewer. A field
is [478, 3]: how far the landmarks move when the muscle contracts fully, so that a moving face is
`face + weights @ fields`.
The shapes are drawn by eye to look like a smile; they are not measurements of facial muscles.
"""

import functools
import pathlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Float32

NEUTRAL_FACE = pathlib.Path(__file__).with_name("neutral_face.npy")

# Contours in Attention Mesh's numbering, from the person's right to the left, without their corners.
LIPS = ((191, 80, 81, 82, 13, 312, 311, 310, 415), (95, 88, 178, 87, 14, 317, 402, 318, 324))  # upper, lower, inside
LIDS = (
    ((246, 161, 160, 159, 158, 157, 173), (7, 163, 144, 145, 153, 154, 155)),  # right eye: upper, lower
    ((398, 384, 385, 386, 387, 388, 466), (382, 381, 380, 374, 373, 390, 249)),  # left eye
)
LIP_CORNERS, CHEEKS, LOWER_LIDS = (61, 291), (50, 280), (23, 253)  # right, left

MUSCLES = ("smile", "smile", "cheek", "cheek", "lids", "lids", "jaw")  # in the order of `muscles`; right, then left


@functools.cache
def neutral_face() -> Float32[np.ndarray, "478 3"]:
    """Returns a face at rest in face coordinates, read-only; the module `neutral_face` made its file."""
    face = np.load(NEUTRAL_FACE)
    face.flags.writeable = False  # all callers share it
    return face


def bump(
    face: Float[np.ndarray, "478 3"], landmark: int, move: Sequence[float] | np.ndarray, *, radius: float
) -> Float[np.ndarray, "478 3"]:
    """Returns a field that is `move` (x, y, z) at one landmark and fades around it as a Gaussian of this radius."""
    square = ((face - face[landmark]) ** 2).sum(axis=-1, keepdims=True)
    return np.exp(-square / (2 * radius**2)) * np.asarray(move, face.dtype)


def modes(
    rng: np.random.Generator, face: Float[np.ndarray, "478 3"], *, count: int, size: float
) -> Float[np.ndarray, "count 478 3"]:
    """Returns smooth random deformations of the face, `size` eye distances strong."""
    centres, moves = rng.integers(len(face), size=count), rng.normal(0, size, (count, 3))
    return np.stack([bump(face, centre, move, radius=0.4) for centre, move in zip(centres, moves, strict=True)])


def closing(
    face: Float[np.ndarray, "478 3"],
    contours: tuple[Sequence[int], Sequence[int]],
    *,
    upper: float,
    radius: float,
) -> Float[np.ndarray, "478 3"]:
    """Returns the field that makes two contours meet.

    Args:
        face: in face coordinates.
        contours: landmarks of the upper and of the lower edge, one above the other.
        upper: the share of the way that the upper edge goes.
        radius: how far from the edges the skin follows.
    """
    gap, distance, below = _opening(face, contours)
    share = np.where(below, upper - 1, upper)
    field = np.zeros_like(face)
    field[:, 1] = share * gap * np.exp(-(distance**2) / (2 * radius**2))
    return field


def muscles(face: Float[np.ndarray, "478 3"]) -> Float[np.ndarray, "7 478 3"]:
    """Returns the full contractions of the muscles in MUSCLES, on this face.

    smile: zygomaticus major, the lip corner goes up, out and back. cheek: the cheek is raised, the lower lid with it.
    lids: orbicularis oculi, the eye closes. jaw: the lips part.
    """
    sides = (-1, 1)
    fields = []
    for side, corner in zip(sides, LIP_CORNERS, strict=True):
        fields.append(bump(face, corner, (0.14 * side, -0.11, 0.07), radius=0.22))
    for side, cheek, lid in zip(sides, CHEEKS, LOWER_LIDS, strict=True):
        raised = bump(face, cheek, (0.07 * side, -0.07, -0.03), radius=0.18)
        fields.append(raised + bump(face, lid, (0, -0.02, 0), radius=0.1))
    for contours in LIDS:
        fields.append(closing(face, contours, upper=0.8, radius=0.05))
    _, _, below = _opening(face, LIPS)
    fields.append(bump(face, 17, (0, 0.14, 0.03), radius=0.3) * below[:, None])
    return np.stack(fields)


def _opening(
    face: Float[np.ndarray, "478 3"], contours: tuple[Sequence[int], Sequence[int]]
) -> tuple[Float[np.ndarray, "478"], Float[np.ndarray, "478"], Bool[np.ndarray, "478"]]:
    """Returns of every landmark the gap between the contours at its x, how far it is from the gap, and if below."""
    upper, lower = (face[list(contour)] for contour in contours)
    x, y = face[:, 0], face[:, 1]
    top = np.interp(x, upper[:, 0], upper[:, 1])
    bottom = np.interp(x, lower[:, 0], lower[:, 1])
    gap = np.maximum(bottom - top, 0)
    middle = (top + bottom) / 2
    # Beyond the ends of the contours, too, their influence fades.
    left, right = upper[0, 0], upper[-1, 0]
    across = np.maximum(0, np.maximum(left - x, x - right))
    along = np.maximum(0, np.abs(y - middle) - gap / 2)
    return gap, np.hypot(along, across), y > middle

"""The surface of the synthetic face as triangles, and the head around it, which Attention Mesh has no landmarks of.

`triangles.npy` holds the 852 triangles of MediaPipe's own tesselation of the face; this module made it:
`python -m dfuse_jax.data.synthetic.mesh`. They leave the eyes and the mouth open. `surface` closes them, and adds rings
of vertices around the face for hair, ears and jaw.
"""

import functools
import itertools
import pathlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from dfuse_jax.constants import NUM_LANDMARKS
from dfuse_jax.data.synthetic import muscles
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.runtime.files import atomic

TRIANGLES = pathlib.Path(__file__).with_name("triangles.npy")

# The outline of the face, from the top of the forehead over the person's left side.
OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
LID_CORNERS = ((33, 133), (362, 263))  # right eye, left eye; in the order of `muscles.LIDS`
MOUTH_CORNERS = (78, 308)  # of the lips' inner edge
# Each ring around the face: how far out (1: the outline's distance from the middle of the face), how far back (in eye
# distances). The first is the skin's edge.
RINGS = ((1.06, 0.12), (1.2, 0.3), (1.3, 0.6))

SKIN, EYES, MOUTH = range(3)  # what a triangle shows


class Surface(NamedTuple):
    """Triangles of a face, and of the head around it.

    Attributes:
        triangles: vertices of each, all in the same sense of rotation; the vertices are the landmarks, then the rings'.
        part: of each triangle, SKIN, EYES or MOUTH.
    """

    triangles: Int[np.ndarray, "triangles 3"]
    part: Int[np.ndarray, " triangles"]


@functools.cache
def surface() -> Surface:
    """Returns the triangles of face, eyes, mouth and head."""
    skin = np.load(TRIANGLES)
    rings = [np.array(OVAL), *(NUM_LANDMARKS + len(OVAL) * n + np.arange(len(OVAL)) for n in range(len(RINGS)))]
    for inner, outer in itertools.pairwise(rings):
        next_inner, next_outer = np.roll(inner, -1), np.roll(outer, -1)
        band = [(inner, outer, next_outer), (inner, next_outer, next_inner)]
        skin = np.concatenate([skin, *(np.stack(corners, axis=1) for corners in band)])
    eyes = np.concatenate(
        [_strip(corners, contours) for corners, contours in zip(LID_CORNERS, muscles.LIDS, strict=True)]
    )
    mouth = _strip(MOUTH_CORNERS, muscles.LIPS)
    parts = (skin, eyes, mouth)
    return Surface(np.concatenate(parts), np.repeat([SKIN, EYES, MOUTH], [len(part) for part in parts]))


def add_head(points: Float[np.ndarray, "478 3"]) -> Float[np.ndarray, "vertices 3"]:
    """Returns the vertices of the head whose landmarks these are, in the same coordinates: landmarks and rings."""
    outline = points[list(OVAL)]
    right, left = (points[list(corners)].mean(axis=0) for corners in LID_CORNERS)
    across = left - right
    back = np.cross(across, outline[len(OVAL) // 2] - outline[0])
    back *= np.linalg.norm(across) / np.linalg.norm(back)
    centre = outline.mean(axis=0)
    rings = [centre + out * (outline - centre) + behind * back for out, behind in RINGS]
    return np.concatenate([points, *rings])


def find_triangles(edges: Iterable[tuple[int, int]], vertices: int) -> Int[np.ndarray, "triangles 3"]:
    """Finds the triangles of a surface from its edges, all in the same sense of rotation.

    A triangle is three vertices that are joined. Around a vertex of three edges, three joined vertices may be no
    triangle of the surface: each of their edges has two triangles without it, and it is left out.
    """
    joined = np.zeros((vertices, vertices), bool)
    for a, b in edges:
        joined[a, b] = joined[b, a] = True
    triples = [
        (a, b, int(c))
        for a, b in itertools.combinations(range(vertices), 2)
        if joined[a, b]
        for c in np.flatnonzero(joined[a] & joined[b])
        if c > b
    ]
    uses = Counter(edge for triple in triples for edge in itertools.combinations(triple, 2))
    faces = [triple for triple in triples if min(uses[edge] for edge in itertools.combinations(triple, 2)) < 3]
    return _orient(faces)


def _orient(faces: Sequence[tuple[int, int, int]]) -> Int[np.ndarray, "triangles 3"]:
    """Turns triangles so that neighbours run along their common edge in opposite senses, as the first one does."""
    of_edge: dict[frozenset[int], list[int]] = {}
    for number, face in enumerate(faces):
        for edge in itertools.combinations(face, 2):
            of_edge.setdefault(frozenset(edge), []).append(number)
    oriented = {0: faces[0]}
    pending = [0]
    while pending:
        a, b, c = oriented[pending.pop()]
        for start, end in ((a, b), (b, c), (c, a)):
            for number in of_edge[frozenset((start, end))]:
                if number not in oriented:
                    (third,) = set(faces[number]) - {start, end}
                    oriented[number] = (end, start, third)
                    pending.append(number)
    return np.array([oriented[number] for number in range(len(faces))], np.int16)


def _strip(corners: Sequence[int], contours: tuple[Sequence[int], Sequence[int]]) -> Int[np.ndarray, "triangles 3"]:
    """Returns triangles between an upper and a lower contour that meet in two corners."""
    upper, lower = ([corners[0], *contour, corners[1]] for contour in contours)
    triangles = []
    for n in range(len(upper) - 1):
        triangles.append((upper[n], upper[n + 1], lower[n]))
        triangles.append((upper[n + 1], lower[n + 1], lower[n]))
    return np.array([triangle for triangle in triangles if len(set(triangle)) == 3])


def make() -> Int[np.ndarray, "852 3"]:
    """Returns the triangles of MediaPipe's tesselation of the face, clockwise as the viewer sees them.

    Raises:
        UserError: MediaPipe is not installed.
    """
    try:
        from mediapipe.python.solutions.face_mesh_connections import FACEMESH_TESSELATION
    except ImportError as error:
        raise UserError(f'{error}. Install MediaPipe: pip install "dfuse_jax[extract]"') from error
    triangles = find_triangles(FACEMESH_TESSELATION, NUM_LANDMARKS)
    corners = muscles.neutral_face()[triangles, :2]
    (ax, ay), (bx, by) = (corners[:, 1] - corners[:, 0]).T, (corners[:, 2] - corners[:, 0]).T
    return triangles if (ax * by - ay * bx).sum() > 0 else triangles[:, ::-1]


if __name__ == "__main__":
    with atomic(TRIANGLES, "wb") as file:
        np.save(file, make())
    print(f"Wrote {TRIANGLES}")

"""The surface of the synthetic head: MediaPipe's own triangles, all of one sense, with eyes and mouth closed."""

import itertools
from collections import Counter

import numpy as np

from dfuse_jax.data.synthetic import mesh, muscles


def test_the_triangles_have_the_edges_of_mediapipes_tesselation_and_no_others():
    from mediapipe.python.solutions.face_mesh_connections import FACEMESH_TESSELATION

    triangles = np.load(mesh.TRIANGLES).tolist()
    assert len(triangles) == 852
    edges = {frozenset(pair) for triangle in triangles for pair in itertools.combinations(triangle, 2)}
    assert edges == {frozenset(edge) for edge in FACEMESH_TESSELATION}


def test_the_head_is_closed_but_for_its_back():
    """Euler: vertices - edges + faces of a disc is 1; neighbours run along their common edge in opposite senses."""
    surface = mesh.surface()
    directed = Counter((a, b) for t in surface.triangles.tolist() for a, b in zip(t, [*t[1:], t[0]], strict=True))
    assert set(directed.values()) == {1}
    edges = {frozenset(edge) for edge in directed}
    assert len(np.unique(surface.triangles)) - len(edges) + len(surface.triangles) == 1
    rim = {a for a, b in directed if (b, a) not in directed}
    assert len(rim) == len(mesh.OVAL) and min(rim) > 478


def test_triangles_are_found_of_edges():
    """A tetrahedron without its base: the base's corners are joined, but every edge has two faces already."""
    edges = [(0, 3), (1, 3), (2, 3), (0, 1), (1, 2), (2, 0), (0, 4), (1, 4), (2, 4)]
    found = mesh.find_triangles(edges, 5)
    assert {frozenset(triangle) for triangle in found.tolist()} == {
        frozenset(corners) for corners in [(0, 1, 3), (1, 2, 3), (0, 2, 3), (0, 1, 4), (1, 2, 4), (0, 2, 4)]
    }


def test_the_triangles_turn_clockwise_as_the_viewer_sees_them():
    corners = mesh.add_head(muscles.neutral_face())[mesh.surface().triangles, :2]
    one, other = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    assert np.mean(one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0] > 0) > 0.98

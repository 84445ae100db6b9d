"""A drawn face, whose parts are shaded."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import Colormap
from matplotlib.patches import Circle
from matplotlib.tri import Triangulation

from dfuse_jax.data.synthetic import mesh
from dfuse_jax.data.synthetic.muscles import LIDS, neutral_face
from dfuse_jax.systems.still import PARTS, margins

EYES, MOUTH = "white", "#D8D0CC"
LINE = "#4A4A4A"
LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185, 61)  # outer edge
BROWS = ((70, 63, 105, 66, 107), (336, 296, 334, 293, 300))
IRISES = ((468, 469), (473, 474))  # centre and edge; right, left
BLUR = 0.1  # distances of the eyes, over which one part goes over into the next
NOSE = (98, 97, 2, 326, 327)


def draw_face(axis: Axes, effects: Mapping[str, float], colours: Colormap, limit: float) -> None:
    """Draws the synthetic face at rest, from the front, with its parts in the colour of their effects.

    Args:
        axis: for the face alone.
        effects: of the parts in `still.PARTS`; one that is missing has none.
        colours: of effects; that in the middle is the colour of the skin.
        limit: the effect at the upper end of the colours; its opposite is at their lower end.
    """
    face, surface = neutral_face(), mesh.surface()
    inside = (surface.triangles < len(face)).all(axis=1)
    triangles, kinds = surface.triangles[inside], surface.part[inside]
    weights = np.clip(margins() / BLUR + 0.5, 0, 1)
    values = np.array([effects.get(part, 0.0) for part in PARTS]) @ (weights / weights.sum(axis=0))
    skin = triangles[kinds == mesh.SKIN]
    skin = skin[np.argsort(-face[skin, 2].mean(axis=1))]  # far ones first
    visible = Triangulation(face[:, 0], face[:, 1], skin)
    axis.tripcolor(visible, values, shading="gouraud", cmap=colours, vmin=-limit, vmax=limit, zorder=0)
    for kind, colour in ((mesh.EYES, EYES), (mesh.MOUTH, MOUTH)):
        polygons = list(face[triangles[kinds == kind]][..., :2])
        axis.add_collection(PolyCollection(polygons, facecolors=colour, edgecolors=colour, linewidths=0.4))
    lids = [
        (corner[0], *upper, corner[1], *lower[::-1], corner[0])
        for corner, (upper, lower) in zip(mesh.LID_CORNERS, LIDS, strict=True)
    ]
    lines = [(*mesh.OVAL, mesh.OVAL[0]), *lids, LIPS, *BROWS, NOSE]
    axis.add_collection(LineCollection([face[list(line), :2] for line in lines], colors=LINE, linewidths=1.0))
    for iris in IRISES:
        middle, edge = face[list(iris), :2]
        radius = 0.8 * float(np.linalg.norm(edge - middle))
        axis.add_patch(Circle((float(middle[0]), float(middle[1])), radius, facecolor=LINE, linewidth=0))
    axis.set(xlim=(-1.15, 1.15), ylim=(1.8, -0.88), aspect="equal")
    axis.axis("off")

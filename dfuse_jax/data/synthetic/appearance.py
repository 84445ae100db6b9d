"""What a synthetic person looks like: skin, lips, brows and hair as a texture, the wall and clothes behind, the light.

A texture is a picture of the neutral face, TEXELS pixels an eye distance, so that it sticks to the skin as it moves.
All of it is drawn from a seed. It looks like a face to a face detector, and like a wax figure to people.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, UInt8
from scipy import ndimage

from dfuse_jax.data.synthetic import mesh, muscles

TEXELS = 96  # of the texture in an eye distance
MARGIN = 0.1  # around the head, in eye distances

SKINS = np.array([(236, 196, 172), (222, 170, 138), (190, 136, 104), (148, 98, 72), (112, 74, 56)], float)
HAIRS = np.array([(34, 26, 24), (70, 46, 32), (120, 84, 48), (150, 140, 132)], float)
IRISES = np.array([(78, 50, 32), (96, 112, 126), (88, 104, 70)], float)

LIPS = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)  # outer edge
BROWS = ((70, 63, 105, 66, 107, 55, 65, 52, 53, 46), (300, 293, 334, 296, 336, 285, 295, 282, 283, 276))
NOSTRILS = ((97, 98), (326, 327))
BLUSH = (50, 280, 4)  # cheeks and tip of the nose


class Appearance(NamedTuple):
    """How a person is drawn, colours from 0 to 255.

    Attributes:
        texture: of the head.
        iris: colour of the eyes.
        light: unit vector from the face to the light, in face coordinates.
        wall: colours of the background's left and right edges.
        clothes: their colour.
        seed: of the background's and the camera's noise.
    """

    texture: Float32[np.ndarray, "height width 3"]
    iris: Float[np.ndarray, "3"]
    light: Float[np.ndarray, "3"]
    wall: Float[np.ndarray, "2 3"]
    clothes: Float[np.ndarray, "3"]
    seed: int


@functools.lru_cache(maxsize=8)
def appearance(seed: int) -> Appearance:
    """Draws how a person looks."""
    rng = np.random.default_rng(seed)
    skin = _between(SKINS, rng.uniform(0, len(SKINS) - 1)) * rng.normal(1, 0.03, 3)
    hair = HAIRS[rng.integers(len(HAIRS))] * rng.uniform(0.8, 1.2)
    light = np.array([rng.uniform(-0.5, 0.5), rng.uniform(-0.7, -0.3), -1])
    return Appearance(
        texture=_texture(rng, skin, hair),
        iris=IRISES[rng.integers(len(IRISES))],
        light=light / np.linalg.norm(light),
        wall=rng.uniform(90, 200, (2, 1)) + rng.uniform(-20, 20, (2, 3)),
        clothes=rng.uniform(30, 160, 3),
        seed=seed,
    )


def corner() -> Float[np.ndarray, "2"]:
    """Returns the face coordinates (x, y) of the texture's first texel."""
    return mesh.add_head(muscles.neutral_face())[:, :2].min(axis=0) - MARGIN


def background(
    person: Appearance, size: tuple[int, int], *, eyes: Float[np.ndarray, "2"], unit: float
) -> UInt8[np.ndarray, "height width 3"]:
    """Draws wall, neck and shoulders behind a head.

    Args:
        person: whose they are.
        size: (width, height) of the picture in pixels.
        eyes: (x, y) between the eyes, in pixels.
        unit: the distance between the eyes, in pixels.
    """
    width, height = size
    rng = np.random.default_rng([person.seed, 1])
    y, x = np.mgrid[:height, :width]
    share = (x / width)[..., None]
    picture = person.wall[0] * (1 - share) + person.wall[1] * share
    picture += 8 * _noise(rng, (height, width), 25)[..., None] + 2 * _noise(rng, (height, width), 1)[..., None]
    across, down = np.abs(x - eyes[0]) / unit, (y - eyes[1]) / unit
    neck_ends, shoulders_begin = 2.75, 2.45
    shoulders = (down > shoulders_begin + 0.09 * across**2) & (across < 3.2)
    neck = (across < 0.8) & (down > 0.8) & (down < neck_ends - 0.35 * (1 - (across / 0.8) ** 2))
    skin = person.texture[_texel(0.5, 0.9)] * 0.62
    cloth = person.clothes + 6 * _noise(rng, (height, width), 2)[..., None]
    picture = np.where(shoulders[..., None], cloth, picture)
    picture = np.where(neck[..., None], skin + 3 * _noise(rng, (height, width), 1)[..., None], picture)
    picture = ndimage.gaussian_filter(picture, (0.7, 0.7, 0))
    return np.clip(picture, 0, 255).astype(np.uint8)


def _texture(
    rng: np.random.Generator, skin: Float[np.ndarray, "3"], hair: Float[np.ndarray, "3"]
) -> Float32[np.ndarray, "height width 3"]:
    face = muscles.neutral_face().astype(float)
    extent = mesh.add_head(face)[:, :2].max(axis=0) + MARGIN - corner()
    width, height = np.ceil(extent * TEXELS).astype(int)
    y, x = (axis / TEXELS + start for axis, start in zip(np.mgrid[:height, :width], corner()[::-1], strict=True))
    shape = x.shape
    spots = 0.04 * _noise(rng, shape, 0.12 * TEXELS) + 0.035 * _noise(rng, shape, 2.5) + 0.05 * _noise(rng, shape, 0.8)
    picture = skin * (1 + spots[..., None])

    def near(point: Sequence[float] | np.ndarray, radius: float) -> Float[np.ndarray, "height width 1"]:
        return np.exp(-((x - point[0]) ** 2 + (y - point[1]) ** 2) / (2 * radius**2))[..., None]

    def paint(colour: np.ndarray, share: Float[np.ndarray, "height width 1"]) -> None:
        nonlocal picture
        picture = picture + share * (colour - picture)

    for landmark in BLUSH:
        paint(skin * (1.02, 0.84, 0.84), 0.5 * near(face[landmark], 0.16))
    for corners in mesh.LID_CORNERS:
        paint(skin * 0.72, 0.5 * near(face[list(corners)].mean(axis=0), 0.22))
    paint(skin * (0.86, 0.56, 0.58), 0.85 * _inside(x, y, face[list(LIPS)], blur=1.2))
    paint(skin * 0.35, 0.9 * _along(x, y, face[[78, *muscles.LIPS[0], 308]], 0.012))
    for landmarks in NOSTRILS:
        paint(skin * 0.25, 0.8 * near(face[list(landmarks)].mean(axis=0) - (0, 0.03, 0), 0.04))
    strands = 1 + 0.25 * ndimage.gaussian_filter(rng.standard_normal(shape), (6, 0.8))[..., None] * 4
    for brow in BROWS:
        paint(hair * strands, 0.8 * _inside(x, y, face[list(brow)], blur=2))
    for corners, (upper, lower) in zip(mesh.LID_CORNERS, muscles.LIDS, strict=True):
        paint(hair * 0.5, 0.9 * _along(x, y, face[[corners[0], *upper, corners[1]]], 0.018))
        paint(skin * 0.6, 0.6 * _along(x, y, face[[corners[0], *lower, corners[1]]], 0.012))
    outline = face[list(mesh.OVAL), :2]
    middle = outline.mean(axis=0)
    outside = 1 - _inside(x, y, middle + 1.03 * (outline - middle), blur=3)
    above = 1 / (1 + np.exp((y - 0.35) / 0.05))[..., None]  # hair down to the ears, skin below
    paint(skin * 0.7, outside * (1 - above))
    paint(hair * strands, outside * above)
    return np.clip(picture, 0, 255).astype(np.float32)


def _texel(x: float, y: float) -> tuple[int, int]:
    """Returns row and column of the texel at face coordinates."""
    column, row = ((np.array([x, y]) - corner()) * TEXELS).astype(int)
    return row, column


def _between(colours: Float[np.ndarray, "colours 3"], place: float) -> Float[np.ndarray, "3"]:
    first = min(int(place), len(colours) - 2)
    return colours[first] + (place - first) * (colours[first + 1] - colours[first])


def _noise(rng: np.random.Generator, shape: tuple[int, ...], blur: float) -> Float[np.ndarray, "height width"]:
    """Returns smooth noise of standard deviation 1."""
    noise = ndimage.gaussian_filter(rng.standard_normal(shape), blur)
    return noise / noise.std()


def _inside(
    x: Float[np.ndarray, "height width"],
    y: Float[np.ndarray, "height width"],
    polygon: Float[np.ndarray, "corners _"],
    *,
    blur: float,
) -> Float[np.ndarray, "height width 1"]:
    """Returns 1 inside a polygon and 0 outside, with a soft edge, `blur` texels wide."""
    inside = np.zeros(x.shape, bool)
    for (x0, y0), (x1, y1) in zip(polygon[:, :2], np.roll(polygon[:, :2], -1, axis=0), strict=True):
        if y0 != y1:
            inside ^= ((y0 > y) != (y1 > y)) & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return ndimage.gaussian_filter(inside.astype(float), blur)[..., None]


def _along(
    x: Float[np.ndarray, "height width"],
    y: Float[np.ndarray, "height width"],
    line: Float[np.ndarray, "points _"],
    radius: float,
) -> Float[np.ndarray, "height width 1"]:
    """Returns 1 on a line through points, and a Gaussian of its distance elsewhere."""
    distance = np.full(x.shape, np.inf)
    for (x0, y0), (x1, y1) in zip(line[:-1, :2], line[1:, :2], strict=True):
        length = (x1 - x0) ** 2 + (y1 - y0) ** 2
        share = np.clip(((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length, 0, 1)
        distance = np.minimum(distance, (x - x0 - share * (x1 - x0)) ** 2 + (y - y0 - share * (y1 - y0)) ** 2)
    return np.exp(-distance / (2 * radius**2))[..., None]

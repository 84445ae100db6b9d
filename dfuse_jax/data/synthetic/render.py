"""Draws synthetic smiles as pictures: textured triangles in the order of their depth, lit by a lamp, in NumPy.

The pictures show the very landmarks of a sample, and nothing else of it. Attention Mesh finds the face in them, and
texture and optical flow see its motion; they are no photographs.

    for image in render.frames(sample): ...             # [360, width, 3] uint8
    render.write_video(sample, "smile.mkv")              # needs PyAV
"""

import dataclasses
import functools
import os
import zlib
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Int16, UInt8

from dfuse_jax.constants import CHIP_SIDE
from dfuse_jax.data.synthetic import appearance, mesh, muscles
from dfuse_jax.data.synthetic.appearance import TEXELS, Appearance
from dfuse_jax.extract import chips
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.samples import Sample

HEIGHT = 360  # of a picture, in pixels
GRAIN = 1.5  # standard deviation of the camera's noise
AMBIENT = 0.55  # the share of the light that comes from everywhere
LAMP = 1.3  # how much of the rest the lamp gives to what faces it
IRISES = ((468, 469, 471), (473, 474, 476))  # centre, and two opposite points of the edge; right eye, left eye
TEETH, GUMS = np.array([222.0, 214, 200]), np.array([70.0, 22, 24])
SCLERA = np.array([226.0, 222, 216])


class _Fragments(NamedTuple):
    """What is seen in the pixels of a picture that show the head.

    Attributes:
        pixel: number of the pixel, row by row.
        part: of the surface, see `mesh.Surface`.
        triangle: which triangle it is.
        weights: barycentric, of the triangle's vertices.
    """

    pixel: Int[np.ndarray, " pixels"]
    part: Int[np.ndarray, " pixels"]
    triangle: Int[np.ndarray, " pixels"]
    weights: Float32[np.ndarray, "pixels 3"]


class _Scene(NamedTuple):
    """What one camera sees of a sample.

    Attributes:
        person: who smiles.
        points: the landmarks in pixels of the frames, z in the scale of x; a pixel's middle has whole coordinates.
        background: without the head.
    """

    person: Appearance
    points: Float[np.ndarray, "frames 478 3"]
    background: UInt8[np.ndarray, "height width 3"]


@dataclasses.dataclass(frozen=True)
class DrawnChips:
    """The chips of a sample, drawn as its frames are, but for what one sees in them.

    Attributes:
        sample: its landmarks are drawn.
    """

    sample: Sample

    def __iter__(self) -> Iterator[UInt8[np.ndarray, "128 128 3"]]:
        scene = _set(self.sample, HEIGHT)
        height, width = scene.background.shape[:2]
        eyes = chips.find_eyes(self.sample.landmarks, (width, height), self.sample.fps)
        grain = _Grain(scene.person.seed, (CHIP_SIDE, CHIP_SIDE))
        for points, pair in zip(scene.points, eyes, strict=True):
            linear, shift = chips.similarity(pair)
            image = chips.align(scene.background, pair).astype(np.int16)
            seen = np.empty_like(points)
            seen[:, :2] = (points[:, :2] + 0.5 - shift) @ np.linalg.inv(linear).T - 0.5
            seen[:, 2] = points[:, 2] / np.hypot(*linear[0])
            draw(image, seen, scene.person)
            yield grain.added(image)


def frames(sample: Sample, *, height: int = HEIGHT) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    """Draws the frames of a sample, RGB.

    Args:
        sample: its landmarks are drawn; its subject, or else its name, determines how the person looks.
        height: of the pictures in pixels; the width follows from the sample's.
    """
    scene = _set(sample, height)
    grain = _Grain(scene.person.seed, scene.background.shape[:2])
    for points in scene.points:
        image = scene.background.astype(np.int16)
        draw(image, points, scene.person)
        yield grain.added(image)


def _set(sample: Sample, height: int) -> _Scene:
    person = appearance.appearance(zlib.crc32((sample.subject or sample.name).encode()))
    width = 2 * round(height / sample.aspect / 2)  # codecs want even sizes
    points = sample.landmarks.astype(float) * (width, height, width) - (0.5, 0.5, 0)
    right, left = (points[0, list(corners), :2].mean(axis=0) for corners in mesh.LID_CORNERS)
    background = appearance.background(
        person, (width, height), eyes=(right + left) / 2, unit=float(np.linalg.norm(left - right))
    )
    return _Scene(person, points, background)


class _Grain:
    """The camera's noise: parts of one field, at places that change from picture to picture.

    Args:
        seed: of field and places.
        shape: (height, width) of the pictures.
    """

    def __init__(self, seed: int, shape: tuple[int, int]):
        self.rng, self.shape = np.random.default_rng([seed, 2]), shape
        self.field = self.rng.normal(0, GRAIN, (2 * shape[0], 2 * shape[1])).round().astype(np.int16)

    def added(self, image: Int16[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "height width 3"]:
        """Returns an image with noise."""
        height, width = self.shape
        row, column = self.rng.integers(0, self.shape)
        image = image + self.field[row : row + height, column : column + width, None]
        return np.clip(image, 0, 255).astype(np.uint8)


def write_video(sample: Sample, path: str | os.PathLike, *, height: int = HEIGHT, codec: str = "ffv1") -> None:
    """Writes the frames of a sample as a video, by default a lossless one (.mkv).

    Raises:
        UserError: PyAV is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise UserError(f'PyAV cannot be imported ({error}). Install it: pip install "dfuse_jax[extract]"') from error
    with av.open(os.fspath(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=Fraction(sample.fps).limit_denominator(1001))
        stream.pix_fmt = "bgr0" if codec == "ffv1" else "yuv420p"
        for number, image in enumerate(frames(sample, height=height)):
            if number == 0:
                stream.height, stream.width = image.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())


def draw(image: np.ndarray, points: Float[np.ndarray, "478 3"], person: Appearance) -> None:
    """Draws a head over an image, in place.

    Args:
        image: [height, width, 3].
        points: the landmarks in pixels of the image, z in the scale of x.
        person: whose head it is.
    """
    vertices = mesh.add_head(points)
    seen = _rasterise(vertices, image.shape[:2])
    shade = _shading(vertices, person)
    colours = np.empty((len(seen.pixel), 3), np.float32)
    corners = mesh.surface().triangles[seen.triangle]
    light = np.einsum("pc,pc->p", shade[corners], seen.weights)[:, None]
    rows, columns = np.divmod(seen.pixel, image.shape[1])
    where = np.stack([columns, rows], axis=1).astype(float)
    for part in (mesh.SKIN, mesh.EYES, mesh.MOUTH):
        chosen = seen.part == part
        if part == mesh.SKIN:
            colours[chosen] = _skin(seen, chosen, person) * light[chosen]
        elif part == mesh.EYES:
            colours[chosen] = _eyes(where[chosen], points, person) * (0.3 + 0.7 * light[chosen])
        else:
            colours[chosen] = _mouth(where[chosen], points)
    image.reshape(-1, 3)[seen.pixel] = np.clip(colours, 0, 255).astype(image.dtype)


def _rasterise(vertices: Float[np.ndarray, "vertices 3"], shape: Sequence[int]) -> _Fragments:
    """Finds which triangle each pixel shows: of those that cover its centre the nearest, by the triangles' middles."""
    surface = mesh.surface()
    height, width = shape
    a, b, c = (vertices[surface.triangles[:, corner]] for corner in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    low = np.ceil(np.minimum(np.minimum(a, b), c)[:, :2]).clip(0, (width, height)).astype(int)
    high = np.floor(np.maximum(np.maximum(a, b), c)[:, :2]).clip(-1, (width - 1, height - 1)).astype(int) + 1
    extent = np.maximum(high - low, 0)
    visible = np.flatnonzero((area > 1e-9) & (extent.prod(axis=1) > 0))
    # Far ones first: of the values that go to one pixel NumPy keeps the last.
    order = visible[np.argsort(-(a + b + c)[visible, 2], kind="stable")]
    a, b, c, area, low, extent = (values[order] for values in (a, b, c, area, low, extent))
    counts = extent.prod(axis=1)
    triangle = np.repeat(np.arange(len(order)), counts)
    within = np.arange(len(triangle)) - np.repeat(np.cumsum(counts) - counts, counts)
    down, right = np.divmod(within, extent[triangle, 0])
    x, y = low[triangle, 0] + right, low[triangle, 1] + down
    # Barycentric coordinates are linear in x and y.
    slopes = np.stack([c[:, 1] - a[:, 1], a[:, 0] - c[:, 0], a[:, 1] - b[:, 1], b[:, 0] - a[:, 0]], axis=1)
    slopes /= area[:, None]
    starts = -(slopes[:, 0] * a[:, 0] + slopes[:, 1] * a[:, 1]), -(slopes[:, 2] * a[:, 0] + slopes[:, 3] * a[:, 1])
    slope = slopes[triangle]
    second = slope[:, 0] * x + slope[:, 1] * y + starts[0][triangle]
    third = slope[:, 2] * x + slope[:, 3] * y + starts[1][triangle]
    first = 1 - second - third
    covered = np.flatnonzero((first >= -1e-9) & (second >= -1e-9) & (third >= -1e-9))
    nearest = np.full(height * width, -1)
    nearest[y[covered] * width + x[covered]] = covered
    pixel = np.flatnonzero(nearest >= 0)
    winner = nearest[pixel]
    number = order[triangle[winner]]
    weights = np.stack([first[winner], second[winner], third[winner]], axis=1).astype(np.float32)
    return _Fragments(pixel, surface.part[number], number, weights)


def _shading(vertices: Float[np.ndarray, "vertices 3"], person: Appearance) -> Float32[np.ndarray, " vertices"]:
    """Returns how bright the light makes the surface at each vertex."""
    triangles = mesh.surface().triangles
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    normals = np.zeros_like(vertices)
    across = np.cross(b - a, c - a)
    for corner in range(3):
        for axis in range(3):
            normals[:, axis] += np.bincount(triangles[:, corner], across[:, axis], len(vertices))
    # Triangles turn clockwise as the viewer sees them, y down: their normals point away from the viewer.
    normals /= -np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    light = np.maximum(normals @ person.light, 0)
    return (AMBIENT + (1 - AMBIENT) * LAMP * light).astype(np.float32)


def _skin(seen: _Fragments, chosen: Bool[np.ndarray, " pixels"], person: Appearance) -> Float[np.ndarray, "chosen 3"]:
    """Returns the texture's colours, interpolated bilinearly."""
    places = _texture_places()[mesh.surface().triangles[seen.triangle[chosen]]]
    place = np.einsum("pcx,pc->px", places, seen.weights[chosen])
    whole = place.astype(np.int32)
    right, down = (place - whole).T[..., None]
    width = person.texture.shape[1]
    texels = person.texture.reshape(-1, 3)
    start = whole[:, 1] * width + whole[:, 0]
    one, two, three, four = (texels.take(start + step, axis=0) for step in (0, 1, width, width + 1))
    top = one + right * (two - one)
    bottom = three + right * (four - three)
    return top + down * (bottom - top)


@functools.cache
def _texture_places() -> Float32[np.ndarray, "vertices 2"]:
    """Returns the column and row in the texture of each vertex."""
    neutral = mesh.add_head(muscles.neutral_face().astype(float))
    return ((neutral[:, :2] - appearance.corner()) * TEXELS).astype(np.float32)


def _eyes(
    where: Float[np.ndarray, "pixels 2"], points: Float[np.ndarray, "478 3"], person: Appearance
) -> Float[np.ndarray, "pixels 3"]:
    """Returns the colours of eyeballs: white, iris and pupil around the landmarks of the irises, with soft edges."""
    colours = np.tile(SCLERA, (len(where), 1))
    for centre, one, other in IRISES:
        radius = np.linalg.norm(points[one, :2] - points[other, :2]) / 2
        distance = np.linalg.norm(where - points[centre, :2], axis=1)
        for colour, size in ((person.iris, 1.0), (np.full(3, 15.0), 0.45)):
            share = np.clip(size * radius - distance + 0.5, 0, 1)[:, None]
            colours += share * (colour - colours)
    return colours


def _mouth(where: Float[np.ndarray, "pixels 2"], points: Float[np.ndarray, "478 3"]) -> Float[np.ndarray, "pixels 3"]:
    """Returns the colours within the mouth: the upper teeth, dark beneath."""
    upper = points[[mesh.MOUTH_CORNERS[0], *muscles.LIPS[0], mesh.MOUTH_CORNERS[1]], :2]
    below = where[:, 1] - np.interp(where[:, 0], upper[:, 0], upper[:, 1])
    width = upper[-1, 0] - upper[0, 0]
    teeth = np.clip(1 + (0.1 * width - below), 0, 1)[:, None]
    return GUMS + teeth * (TEETH - GUMS)

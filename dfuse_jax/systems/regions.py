"""Regions of the face in its chips, and the phases of a smile in each region, for the systems that read texture there.

Boxes follow the landmarks of the first frame, so that they fit each person. Sizes, divisions and the sizes to which the
boxes are resampled are our choice.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, UInt8
from PIL import Image

from dfuse_jax import dmarkers
from dfuse_jax.constants import CHIP_SIDE
from dfuse_jax.extract import chips
from dfuse_jax.samples import Sample
from dfuse_jax.systems.classical import map_samples

NOSE, LIP_CORNERS = 1, (61, 291)


class Region(NamedTuple):
    """A part of the face.

    Attributes:
        size: (width, height) to which its box is resampled, in pixels.
        blocks: into how many parts it is cut, along x, y and t.
        signal: the number in `dmarkers.REGIONS` of the signal that moves it.
    """

    size: tuple[int, int]
    blocks: tuple[int, int, int]
    signal: int


REGIONS = {
    "right eye": Region((40, 24), (2, 2, 1), dmarkers.REGIONS.index("eye")),
    "left eye": Region((40, 24), (2, 2, 1), dmarkers.REGIONS.index("eye")),
    "cheeks": Region((64, 24), (2, 2, 1), dmarkers.REGIONS.index("cheek")),
    "mouth": Region((64, 40), (4, 2, 1), dmarkers.REGIONS.index("lip")),
}


def on_chips(sample: Sample) -> Float[np.ndarray, "frames 478 2"]:
    """Returns the landmarks in pixels of the chips."""
    eyes = chips.find_eyes(sample.landmarks, sample.image_size, sample.fps)
    points = sample.landmarks[..., :2] * np.array(sample.image_size)
    places = [
        (frame - shift) @ np.linalg.inv(linear).T
        for frame, (linear, shift) in zip(points, map(chips.similarity, eyes), strict=True)
    ]
    return np.stack(places)


def boxes(points: Float[np.ndarray, "478 2"]) -> dict[str, tuple[float, float, float, float]]:
    """Returns the box (left, top, right, bottom) of each region, from landmarks in pixels of a chip.

    Eyes: 1.6 times as wide as their corners are apart, 0.9 times as high. Cheeks: from the eyes' lower edge to the tip
    of the nose, as wide as the eyes' outer corners. Mouth: 30% wider than the lips on either side, and 0.9 times as
    high as the lips are wide.
    """
    found = {}
    for name, corners in zip(("right eye", "left eye"), chips.EYE_CORNERS, strict=True):
        one, other = points[list(corners)]
        found[name] = _around((one + other) / 2, np.linalg.norm(other - one), 1.6, 0.9)
    top = max(found[name][3] for name in ("right eye", "left eye"))
    left, right = points[chips.EYE_CORNERS[0][0], 0], points[chips.EYE_CORNERS[1][1], 0]
    found["cheeks"] = float(left), top, float(right), max(float(points[NOSE, 1]), top + 4)
    one, other = points[list(LIP_CORNERS)]
    found["mouth"] = _around((one + other) / 2, np.linalg.norm(other - one), 1.6, 0.9)
    return found


def cut(
    pictures: UInt8[np.ndarray, "frames 128 128"], box: tuple[float, float, float, float], size: tuple[int, int]
) -> Float[np.ndarray, "frames height width"]:
    """Returns a box of grey pictures at a size; what is beyond the chip is left out of the box."""
    limits = np.clip(np.array(box), 0, CHIP_SIDE)
    left, top = np.minimum(limits[:2], CHIP_SIDE - 4)
    right, bottom = np.maximum(limits[2:], (left + 4, top + 4))
    inside = (float(left), float(top), float(right), float(bottom))
    resized = [Image.fromarray(one).resize(size, Image.Resampling.BILINEAR, box=inside) for one in pictures]
    return np.stack([np.asarray(one, np.float32) for one in resized])


def spans(samples: Sequence[Sample]) -> Int[np.ndarray, "videos 3 3 2"]:
    """Returns start and stop of onset, apex and offset by each signal of `dmarkers.REGIONS`, together all frames.

    The onset lasts from the first frame to the end of the longest rise, the offset from the start of the longest fall
    to the last frame. The eyes' signal counts from its other side: their closing is the onset.
    """
    return map_samples(_SPANS, samples).astype(int)


def _spans(points: Array, fps: Array, length: Array, aspect: Array) -> Int[Array, "3 3 2"]:
    del fps
    curves = dmarkers.smooth(dmarkers.signals(points, length=length, aspect=aspect).mean, length=length)
    signs = jnp.array([-1.0 if region == "eye" else 1.0 for region in dmarkers.REGIONS])
    return jax.vmap(lambda curve: _extended(curve, length))(curves * signs[:, None])


def _extended(curve: Float[Array, " frames"], length: Int[Array, ""]) -> Int[Array, "3 2"]:
    rise, _, fall = dmarkers.phases(curve, length=length)
    frames = jnp.arange(len(curve))
    full = jnp.max(jnp.where(rise, frames + 1, 0))
    fading = jnp.maximum(jnp.min(jnp.where(fall, frames, length)), full)
    return jnp.stack([jnp.array([0, full]), jnp.array([full, fading]), jnp.array([fading, length])])


_SPANS = jax.jit(jax.vmap(_spans))


def _around(
    middle: Float[np.ndarray, "2"], unit: float | np.floating, width: float, height: float
) -> tuple[float, float, float, float]:
    (x, y), half_width, half_height = middle, width * unit / 2, height * unit / 2
    return float(x - half_width), float(y - half_height), float(x + half_width), float(y + half_height)

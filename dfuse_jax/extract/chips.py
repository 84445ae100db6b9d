"""Chips: aligned pictures of the face, one for every frame, for systems that read pixels.

A chip is SIDE x SIDE RGB. A similarity transform puts the middles of the eyes' corners where dlib's face chips with a
padding of 0.25 have them (our recollection of its mean face; not compared with dlib). Not the mouth: it moves with the
smile. The eyes are smoothed over time, as jitter of the alignment would look like motion of the whole face.
"""

import dataclasses
import pathlib
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image
from scipy import ndimage

from dfuse_jax.constants import CHIP_SIDE
from dfuse_jax.extract.video import Video

EYE_CORNERS = ((33, 133), (362, 263))  # right eye, left eye
PLACES = np.array([(0.317, 0.311), (0.683, 0.311)]) * CHIP_SIDE  # where the chip has them, x and y
SMOOTHED = 0.1  # seconds of the running median, and of the running mean after it


@dataclasses.dataclass(frozen=True)
class VideoChips:
    """The chips of a video, made of its frames while they are read.

    Attributes:
        path: the video.
        pixel_aspect: width / height of a pixel as it is stored; None: what the file says, or 1.
        frames: the number of the frame that each chip shows, never falling: those of uneven times repeat or skip some.
        eyes: (x, y) of the right and the left eye in each chip's frame, in pixels.
    """

    path: pathlib.Path
    pixel_aspect: float | None
    frames: Int[np.ndarray, " chips"]
    eyes: Float[np.ndarray, "chips 2 2"]

    def __iter__(self) -> Iterator[UInt8[np.ndarray, "128 128 3"]]:
        chip = 0
        with Video(self.path, pixel_aspect=self.pixel_aspect) as video:
            for number, image in enumerate(video.images()):
                while chip < len(self.frames) and self.frames[chip] == number:
                    yield align(image, self.eyes[chip])
                    chip += 1


def find_eyes(
    landmarks: Float[np.ndarray, "frames 478 3"], image_size: tuple[int, int], fps: float, *, smooth: bool = True
) -> Float[np.ndarray, "frames 2 2"]:
    """Returns the middles of the eyes' corners in pixels, right and left, by which `align` aligns.

    Args:
        landmarks: in MediaPipe's coordinates.
        image_size: (width, height) of the frames in pixels.
        fps: frames per second.
        smooth: over time; without it, each frame is aligned by itself, as RealSmileNet was published.
    """
    corners = landmarks[:, np.array(EYE_CORNERS), :2].astype(float)
    eyes = corners.mean(axis=2) * image_size
    if not smooth:
        return eyes
    window = 2 * round((SMOOTHED * fps - 1) / 2) + 1 if SMOOTHED * fps > 1 else 1
    medians = ndimage.median_filter(eyes, (window, 1, 1), mode="nearest")
    return ndimage.uniform_filter1d(medians, window, axis=0, mode="nearest")


def align(image: UInt8[np.ndarray, "height width 3"], eyes: Float[np.ndarray, "2 2"]) -> UInt8[np.ndarray, "128 128 3"]:
    """Returns the chip of an image, bilinear, rounded down; beyond the image is its edge.

    Where it shrinks, the image is reduced before by the nearest whole factor, to the means of squares.

    Args:
        image: RGB.
        eyes: (x, y) of the right and the left eye in pixels.
    """
    linear, shift = similarity(eyes)
    factor = max(1, round(float(np.hypot(*linear[0]))))
    corners = np.array([(0, 0), (CHIP_SIDE, 0), (0, CHIP_SIDE), (CHIP_SIDE, CHIP_SIDE)]) @ linear.T + shift
    low = np.floor(corners.min(axis=0)).astype(int) - factor
    size = np.ceil((corners.max(axis=0) + factor - low) / factor).astype(int)
    reduced = Image.fromarray(_cut(image, low, low + factor * size)).reduce(factor)
    (a, b), (c, d) = linear / factor
    x, y = (shift - low) / factor
    transform = Image.Transform.AFFINE
    chip = reduced.transform((CHIP_SIDE, CHIP_SIDE), transform, (a, b, x, c, d, y), Image.Resampling.BILINEAR)
    return np.asarray(chip)


def similarity(eyes: Float[np.ndarray, "2 2"]) -> tuple[Float[np.ndarray, "2 2"], Float[np.ndarray, "2"]]:
    """Returns what brings a chip's coordinates into the image, `linear @ place + shift`, in pixels of either."""
    right, left = eyes[:, 0] + 1j * eyes[:, 1]
    chip_right, chip_left = PLACES[:, 0] + 1j * PLACES[:, 1]
    turn = (left - right) / (chip_left - chip_right)
    shift = right - turn * chip_right
    return np.array([(turn.real, -turn.imag), (turn.imag, turn.real)]), np.array([shift.real, shift.imag])


def _cut(
    image: UInt8[np.ndarray, "height width 3"], low: Int[np.ndarray, "2"], high: Int[np.ndarray, "2"]
) -> UInt8[np.ndarray, "rows columns 3"]:
    """Returns a part of the image, from (x, y) `low` to `high`; beyond its edges, the edge is repeated."""
    height, width = image.shape[:2]
    columns = np.arange(low[0], high[0]).clip(0, width - 1)
    rows = np.arange(low[1], high[1]).clip(0, height - 1)
    inside = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    if inside.shape[:2] == (len(rows), len(columns)):
        return np.ascontiguousarray(inside)
    return inside[np.ix_(rows - rows[0], columns - columns[0])]

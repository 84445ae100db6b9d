"""Videos as a mirror shows them, as further training videos."""

import dataclasses
import functools
from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import Int, UInt8
from scipy.optimize import linear_sum_assignment

from dfuse_jax.data.synthetic.muscles import neutral_face
from dfuse_jax.samples import Sample

FLIP = np.array((-1, 1, 1), np.float32)  # of x, y and z


def mirror(sample: Sample) -> Sample:
    """Returns the video mirrored left to right: each landmark is where the one of the other side was.

    The person stays the same, and so do flags and labels; chips are mirrored with it.
    """
    landmarks = sample.landmarks[:, other_side()] * FLIP + np.array((1, 0, 0), np.float32)
    chips = None if sample.chip_source is None else _MirroredChips(sample.chip_source)
    return dataclasses.replace(sample, name=f"{sample.name} mirrored", landmarks=landmarks, chip_source=chips)


@functools.cache
def other_side() -> Int[np.ndarray, "478"]:
    """Returns for each landmark the one of the face's other side; those in the middle are their own."""
    face = neutral_face()
    mirrored = face * FLIP
    distance = np.linalg.norm(face[:, None] - mirrored[None], axis=-1)
    _, partner = linear_sum_assignment(distance + distance.T)
    return partner


@dataclasses.dataclass(frozen=True)
class _MirroredChips:
    """Chips that are mirrored when they are asked for."""

    source: Iterable[UInt8[np.ndarray, "128 128 3"]]

    def __iter__(self) -> Iterator[UInt8[np.ndarray, "128 128 3"]]:
        return (chip[:, ::-1] for chip in self.source)

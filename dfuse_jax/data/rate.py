"""Videos at another frame rate, so that those of several cameras have one."""

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import Int, UInt8

from dfuse_jax.samples import Sample


def resample(sample: Sample, fps: float) -> Sample:
    """Returns the video at another frame rate.

    Landmarks are interpolated linearly in time. Flags, chips and whether a frame is made up are those of the nearest
    frame. Nothing is filtered before frames are left out, so the tracker's jitter stays.

    Args:
        sample: the video.
        fps: frames per second, positive.
    """
    if sample.fps == fps:
        return sample
    last = len(sample.landmarks) - 1
    count = int(np.floor(last / sample.fps * fps + 1e-6)) + 1
    position = np.minimum(np.arange(count) * (sample.fps / fps), last)  # in frames of the video as it is
    before = np.floor(position).astype(int)
    after = np.minimum(before + 1, last)
    share = (position - before).astype(np.float32)[:, None, None]
    nearest = np.rint(position).astype(int)
    return dataclasses.replace(
        sample,
        landmarks=(1 - share) * sample.landmarks[before] + share * sample.landmarks[after],
        fps=float(fps),
        interpolated=tuple(np.flatnonzero(np.isin(nearest, sample.interpolated)).tolist()),
        flags=None if sample.flags is None else sample.flags[nearest],
        chip_source=None if sample.chip_source is None else _NearestChips(sample.chip_source, nearest),
    )


@dataclasses.dataclass(frozen=True)
class _NearestChips:
    """The chips of some frames, in ascending order and with repeats, picked when they are asked for."""

    source: Iterable[UInt8[np.ndarray, "128 128 3"]]
    frames: Int[np.ndarray, " frames"]

    def __iter__(self) -> Iterator[UInt8[np.ndarray, "128 128 3"]]:
        times = np.bincount(self.frames)
        for chip, repeats in zip(self.source, times, strict=False):  # the last frames may not be wanted
            for _ in range(repeats):
                yield chip

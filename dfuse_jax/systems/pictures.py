"""What networks on pictures see of samples: their chips, made smaller."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Int, UInt8
from PIL import Image

from dfuse_jax.samples import Sample
from dfuse_jax.systems import videos
from dfuse_jax.train import Inputs, end_to_end


def shrink(chips: UInt8[np.ndarray, "frames 128 128 3"], side: int) -> UInt8[np.ndarray, "frames side side 3"]:
    """Returns chips at another size, by Pillow's bicubic filter, which sees all pixels where it shrinks."""
    small = np.empty((len(chips), side, side, 3), np.uint8)
    for chip, target in zip(chips, small, strict=True):
        target[...] = np.asarray(Image.fromarray(chip).resize((side, side), Image.Resampling.BICUBIC))
    return small


def sampled(sample: Sample, stride: int) -> Int[np.ndarray, " pictures"]:
    """Returns the frames that RealSmileNet sees, of those in which a face was found: every so many, from the first.

    The last one comes on top where the published rule has it: if what follows the last whole stride is more than two
    thirds of one.
    """
    kept = np.setdiff1d(np.arange(len(sample.landmarks)), sample.interpolated)
    chosen = kept[::stride]
    if len(kept) % stride >= 2 * stride / 3:
        chosen = np.append(chosen, kept[-1])
    return chosen


def prepare(samples: Sequence[Sample], side: int) -> Inputs:
    """Returns all chips at a size."""
    return _inputs(samples, [np.arange(len(sample.landmarks)) for sample in samples], side)


def prepare_sampled(samples: Sequence[Sample], side: int, *, stride: int) -> Inputs:
    """Returns every so many chips at a size, see `sampled`, and "present": which pictures of a clip are no padding."""
    chosen = [sampled(sample, stride) for sample in samples]
    inputs = _inputs(samples, chosen, side)
    present: Bool[np.ndarray, " frames"] = np.ones(len(inputs.per_frame["pixels"]), bool)
    present[-1] = False  # the frame that fills clips that are longer than their video
    return inputs._replace(per_frame={**inputs.per_frame, "present": present})


def _inputs(samples: Sequence[Sample], chosen: Sequence[np.ndarray], side: int) -> Inputs:
    length = np.array([len(frames) for frames in chosen], np.int32)

    def pictures() -> Iterator[Any]:
        for sample, frames in zip(samples, chosen, strict=True):
            yield shrink(sample.pick_chips(frames), side)

    pixels = end_to_end(pictures(), frames=int(length.sum()))
    return videos.lay_out(samples, length, per_frame={"pixels": pixels})

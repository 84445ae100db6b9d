"""Everybody in a recording: signals, head pose and smiles over all frames, and the samples of the smiles.

Landmarks are read in blocks. What grows with the recording is 11 landmarks a frame, and a few numbers.
"""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float, UInt16

from dfuse_jax import dmarkers
from dfuse_jax.extract import flags, gaps
from dfuse_jax.extract.recording import SEGMENT, Recording
from dfuse_jax.samples import Sample

MARGIN = 1.0  # seconds before and after a smile that its features and a network see, where no other smile is
LIP = dmarkers.REGIONS.index("lip")
SHORTEST, GROWTH = 1024, 4  # frames that signals are padded to: few programs to compile


class Smile(NamedTuple):
    """A smile on the grid of a recording.

    Attributes:
        begin: of the smile, in frames and fractions of a frame.
        end: likewise.
        amplitude: greatest height of the lip signal above rest, in D_lip.
        height: the same in standard deviations.
        start_cut: whether the face came into view with the smile, so that its true begin was not seen.
        end_cut: whether the face was lost, or the video ended, before the smile did.
        first: the first frame of its sample.
        last: the last one.
    """

    begin: float
    end: float
    amplitude: float
    height: float
    start_cut: bool
    end_cut: bool
    first: int
    last: int


class Person(NamedTuple):
    """Somebody in a recording, on its grid of N frames.

    Attributes:
        signals: [3, N] mean of the two sides, in the order of `dmarkers.REGIONS`; NaN where the face is not seen.
        baseline: [N], D_lip at rest.
        pose: [N, 3], roll, yaw and pitch in degrees.
        flags: [N] bits, see `extract.flags`.
        smiles: in order.
    """

    signals: Float[np.ndarray, "3 frames"]
    baseline: Float[np.ndarray, " frames"]
    pose: Float[np.ndarray, "frames 3"]
    flags: UInt16[np.ndarray, " frames"]
    smiles: list[Smile]


def find(recorded: Recording, number: int) -> Person:
    """Finds the smiles of a person, from 0, in a recording."""
    chosen = np.array(dmarkers.LANDMARKS)
    points = np.concatenate([block[:, chosen] for block in recorded.blocks(number)])
    frames = recorded.frames
    bits = flags.follow(recorded.flags[number], recorded.positions, frames)
    signals, baseline = np.full((3, frames), np.nan), np.full(frames, np.nan)
    pose = np.full((frames, 3), np.nan)
    seen = ~np.isnan(points[:, 0, 0])
    if not seen.any():
        return Person(signals=signals, baseline=baseline, pose=pose, flags=bits, smiles=[])
    lost = _lost(recorded, seen)
    points, _ = gaps.fill(points, recorded.positions)
    first = int(np.argmin(lost))  # what cheeks and lips are referred to
    for start in range(first, frames, SEGMENT):
        block = slice(start, min(start + SEGMENT, frames))
        signals[:, block], pose[block] = _measure(points[block], points[first], recorded.aspect)
    signals[:, lost], pose[lost] = np.nan, np.nan
    length = frames - first
    lip = np.pad(signals[LIP, first:], (0, padded_length(length) - length)).astype(np.float32)
    found = jax.device_get(dmarkers.find_smiles(lip, recorded.fps, length=length))
    baseline[first:] = found.baseline[:length]
    complete = np.flatnonzero(found.complete)
    spans = [(first + float(found.begin[at]), first + float(found.end[at])) for at in complete]
    limits = [-np.inf, *(end for _, end in spans)], [*(begin for begin, _ in spans), np.inf]
    smiles = []
    for order, (at, (begin, end)) in enumerate(zip(complete, spans, strict=True)):
        before, after = limits[0][order], limits[1][order + 1]
        smiles.append(
            Smile(
                begin=begin,
                end=end,
                amplitude=float(found.amplitude[at]),
                height=float(found.peak[at]),
                start_cut=bool(found.start_cut[at]),
                end_cut=bool(found.end_cut[at]),
                first=_reach(lost, round(begin), -1, max(begin - MARGIN * recorded.fps, before)),
                last=_reach(lost, round(end), 1, min(end + MARGIN * recorded.fps, after)),
            )
        )
    return Person(signals=signals, baseline=baseline, pose=pose, flags=bits, smiles=smiles)


def cut(recorded: Recording, number: int, smile: Smile, *, name: str) -> Sample:
    """Returns the sample of a smile: its frames and the margins around."""
    positions = recorded.positions
    start = max(0, int(np.searchsorted(positions, smile.first, side="right")) - 1)
    stop = min(len(positions), int(np.searchsorted(positions, smile.last, side="left")) + 1)
    landmarks = recorded.read(number, start, stop)
    count = smile.last - smile.first + 1
    filled, interpolated = gaps.fill(landmarks, positions[start:stop] - smile.first)
    bits = flags.follow(recorded.flags[number], positions, recorded.frames)
    return Sample(
        name=name,
        landmarks=filled[:count],
        fps=recorded.fps,
        image_size=recorded.image_size,
        source=recorded.checksum,
        interpolated=tuple(frame for frame in interpolated if frame < count),
        flags=bits[smile.first : smile.first + len(filled[:count])],
    )


def padded_length(frames: int) -> int:
    """Returns a length that is one of few, so that few programs are compiled."""
    padded = SHORTEST
    while padded < frames:
        padded *= GROWTH
    return padded


def _measure(
    points: Float[np.ndarray, "frames 11 3"], reference: Float[np.ndarray, "11 3"], aspect: float
) -> tuple[Float[np.ndarray, "3 frames"], Float[np.ndarray, "frames 3"]]:
    """Returns the mean signals and the head's pose of up to SEGMENT frames, as of a video that begins with another."""
    padded = np.broadcast_to(reference, (SEGMENT + 1, *reference.shape)).copy()
    padded[1 : len(points) + 1] = points
    signals, pose = jax.device_get(_compiled_measure(padded, aspect))
    return signals[:, 1 : len(points) + 1], pose[1 : len(points) + 1]


@jax.jit
def _compiled_measure(points, aspect):
    return dmarkers.signals(points, aspect=aspect, definition="robust").mean, dmarkers.head_pose(points, aspect=aspect)


def _lost(recorded: Recording, seen: Bool[np.ndarray, " frames"]) -> Bool[np.ndarray, " grid"]:
    """Tells in which frames of the grid the face is lost for too long to be interpolated."""
    at = recorded.positions[seen]
    grid = np.arange(recorded.frames)
    before = np.searchsorted(at, grid + 0.5, side="right") - 1
    after = np.searchsorted(at, grid - 0.5, side="left")
    outside = (before < 0) | (after >= len(at))
    left, right = at[np.maximum(before, 0)], at[np.minimum(after, len(at) - 1)]
    return outside | ((right - left) / recorded.fps > gaps.max_gap(recorded.fps) + 1e-6)


def _reach(lost: Bool[np.ndarray, " grid"], start: int, step: int, limit: float) -> int:
    """Returns the frame that steps of 1 or -1 reach: not beyond the limit, nor where the face is lost."""
    frame = min(max(start, 0), len(lost) - 1)
    while 0 <= frame + step < len(lost) and not lost[frame + step] and (limit - (frame + step)) * step >= 0:
        frame += step
    return frame

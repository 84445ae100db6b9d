"""Landmarks of the face in one video."""

import os
import pathlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from dfuse_jax.constants import NUM_LANDMARKS
from dfuse_jax.extract import faces, flags, gaps, mesh
from dfuse_jax.extract.chips import VideoChips, find_eyes
from dfuse_jax.extract.mesh import Networks
from dfuse_jax.extract.video import Video
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.runtime.files import checksum
from dfuse_jax.samples import Sample

# Several faces are noticed by a detector of their own, not by a mesh with max_num_faces=2: on a clean video of one face
# both give the same landmarks to the bit (this mesh smooths nothing), but on a noisy one the second tracker settles on
# the same face, disturbs the first and reports two. The detector takes 1 to 2 ms, so it looks at every 5th frame only.
EVERY = 5

ROW = np.dtype((np.float32, (NUM_LANDMARKS, 3)))
NO_FACE = np.full((NUM_LANDMARKS, 3), np.nan, np.float32)

OnFrame = Callable[[int, int], None]
Find = Callable[[int, np.ndarray], np.ndarray | None]


class Extraction(NamedTuple):
    """The landmarks of a video, and what was noticed on the way.

    Attributes:
        sample: the landmarks.
        decoded: the frames of the video; as many as the sample's unless it was resampled in time.
        lost: in how many of them no face was found.
        other_faces: how many further faces were in view at once, at most.
        resampled: whether the frames were not evenly spaced.
        notes: what a user should know of it, whole sentences.
    """

    sample: Sample
    decoded: int
    lost: int
    other_faces: int
    resampled: bool
    notes: tuple[str, ...]


class _Reading(NamedTuple):
    """What one reading of a video gave.

    Attributes:
        landmarks: [T, 478, 3], NaN in frames without a face.
        times: [T] seconds, NaN where a frame has none.
        changes: [T], of the pictures, see `video.Frame`.
        looks: T, of the faces, see `flags`.
        image_size: (width, height).
        rates: frames per second that the file names.
        damaged: frames that could not be decoded, or not wholly.
    """

    landmarks: Float[np.ndarray, "frames 478 3"]
    times: Float[np.ndarray, " frames"]
    changes: Float[np.ndarray, " frames"]
    looks: list[flags.Look]
    image_size: tuple[int, int]
    rates: tuple[float, ...]
    damaged: int


class SecondFaceError(Exception):
    """There is more than one face in the video."""


def extract_landmarks(
    path: str | os.PathLike,
    *,
    pixel_aspect: float | None = None,
    fps: float | None = None,
    on_frame: OnFrame | None = None,
) -> Sample:
    """Finds the landmarks in every frame of a video; of several faces, those of the one that takes up most of it.

    Frames without a face are interpolated if they are few (`gaps`), and so are all where the frame rate varies.

    Args:
        path: the video.
        pixel_aspect: width / height of a pixel as it is stored, where the file does not say, or says it wrongly: 16/15
            for PAL, 8/9 for NTSC. None: what the file says, or 1.
        fps: frames per second at which it was filmed, where the file does not know: raw streams, slow motion. The times
            of its frames are ignored then. None: what its times say.
        on_frame: called after every frame with the frames done and the frames promised (0 when not known). A video of
            several faces is gone through again, three times in all.

    Returns:
        The sample, named after the file: landmarks [T, 478, 3] float32 in MediaPipe's own coordinates, and the size of
        the image in square pixels. Its chips are made when they are asked for, of the video.

    Raises:
        UserError: the video cannot be read, or no face is found in too many of its frames.
    """
    return extract(path, pixel_aspect=pixel_aspect, fps=fps, on_frame=on_frame).sample


def extract(
    path: str | os.PathLike,
    *,
    pixel_aspect: float | None = None,
    fps: float | None = None,
    on_frame: OnFrame | None = None,
) -> Extraction:
    """Does what `extract_landmarks` does, and returns what was noticed too."""
    path = pathlib.Path(path)
    reading, other_faces = _read(path, pixel_aspect, on_frame or (lambda done, promised: None))
    has_face = ~np.isnan(reading.landmarks[:, 0, 0])
    decoded, lost = len(has_face), int((~has_face).sum())
    if lost == decoded:
        raise UserError(
            f"{path}: no face found in any of its {decoded} frames. It has to be in full view, and at least a tenth as "
            "wide as the image."
        )
    rhythm = gaps.find_rhythm(reading.times, reading.rates, fps=fps)
    check_rate(path, rhythm)
    _check_gaps(path, rhythm, has_face)
    bits = flags.find(
        reading.landmarks,
        reading.looks,
        changes=reading.changes,
        repeated=gaps.find_repeated(reading.changes),
        image_size=reading.image_size,
    )
    filled, interpolated = gaps.fill(reading.landmarks, rhythm.positions)
    sample = Sample(
        name=path.stem,
        landmarks=filled,
        fps=rhythm.fps,
        image_size=reading.image_size,
        source=checksum(path),
        interpolated=interpolated,
        flags=flags.follow(bits, rhythm.positions, len(filled)),
        chip_source=VideoChips(
            path,
            pixel_aspect,
            frames=gaps.nearest(rhythm.positions, len(filled)),
            eyes=find_eyes(filled, reading.image_size, rhythm.fps),
        ),
    )
    notes = [
        *_notes_on_faces(sample, rhythm, lost, other_faces),
        *_notes_on_times(rhythm),
        *flags.notes(sample.flags),
        *_notes_on_damage(reading),
    ]
    return Extraction(
        sample=sample,
        decoded=decoded,
        lost=lost,
        other_faces=other_faces,
        resampled=not rhythm.even,
        notes=tuple(notes),
    )


def _read(path: pathlib.Path, pixel_aspect: float | None, on_frame: OnFrame) -> tuple[_Reading, int]:
    """Returns the landmarks of the one who takes up most of the video, and how many others there are."""
    networks = mesh.networks()
    try:
        networks.restart()
        try:
            return _read_once(path, pixel_aspect, on_frame, find_only_face(networks)), 0
        except SecondFaceError:
            boxes = read_boxes(path, pixel_aspect, on_frame, networks)
        networks.restart()
        reading = _read_once(path, pixel_aspect, on_frame, _find_largest_face(networks, boxes))
        return reading, max(map(len, boxes)) - 1
    except RuntimeError:  # of a graph, which it leaves broken
        mesh.discard()
        raise


def _read_once(path: pathlib.Path, pixel_aspect: float | None, on_frame: OnFrame, find: Find) -> _Reading:
    """Reads the video; `find` takes a frame's number and image, and returns landmarks, or None without a face."""
    times: list[float] = []
    changes: list[float] = []
    looks: list[flags.Look] = []

    def rows(video: Video) -> Iterator[np.ndarray]:
        for index, frame in enumerate(video):
            landmarks = find(index, frame.image)
            times.append(frame.time)
            changes.append(frame.change)
            looks.append(flags.look(frame.image, landmarks))
            on_frame(index + 1, video.frames)
            yield NO_FACE if landmarks is None else landmarks

    with Video(path, pixel_aspect=pixel_aspect) as video:
        landmarks = np.fromiter(rows(video), ROW)  # an array that grows in place: a list would need it twice
        return _Reading(
            landmarks=landmarks,
            times=np.array(times),
            changes=np.array(changes),
            looks=looks,
            image_size=video.image_size,
            rates=video.rates,
            damaged=video.damaged,
        )


def read_boxes(
    path: pathlib.Path, pixel_aspect: float | None, on_frame: OnFrame, networks: Networks
) -> list[Float[np.ndarray, "faces 4"]]:
    """Returns the boxes of all faces in every frame."""
    boxes = []
    with Video(path, pixel_aspect=pixel_aspect) as video:
        for index, frame in enumerate(video):
            boxes.append(mesh.find_boxes(networks, frame.image))
            on_frame(index + 1, video.frames)
    return boxes


def find_only_face(networks: Networks) -> Find:
    """Returns what finds the landmarks of a face, and raises SecondFaceError when there is a second one."""
    suspect = False

    def find(index: int, image: UInt8[np.ndarray, "height width 3"]) -> np.ndarray | None:
        nonlocal suspect
        # Two faces in one frame may be a false alarm, so the frame after it is searched too.
        if index % EVERY == 0 or suspect:
            several = len(mesh.find_boxes(networks, image)) > 1
            if several and suspect:
                raise SecondFaceError
            suspect = several
        return mesh.find_landmarks(networks, image)

    return find


def _find_largest_face(networks: Networks, boxes: list[Float[np.ndarray, "faces 4"]]) -> Find:
    """Returns what finds the landmarks of the face that takes up most of the video; `boxes` are those of its frames."""
    track = faces.follow(boxes)

    def find(index: int, image: UInt8[np.ndarray, "height width 3"]) -> np.ndarray | None:
        return mesh.find_landmarks(networks, faces.isolate(image, track[index], boxes[index]))

    return find


def check_rate(path: pathlib.Path, rhythm: gaps.Rhythm) -> None:
    """Raises UserError for a frame rate that no recording of a face has."""
    if not gaps.FPS_RANGE[0] <= rhythm.fps <= gaps.FPS_RANGE[1]:
        raise UserError(
            f"{path}: has {rhythm.fps:g} frames per second, which no recording of a face has. Pass the true rate as "
            "fps."
        )


def _check_gaps(path: pathlib.Path, rhythm: gaps.Rhythm, has_face: np.ndarray) -> None:
    """Raises UserError where more is missing than may be interpolated."""
    lost = np.flatnonzero(~has_face)
    if len(lost) > gaps.MAX_LOST * len(has_face):
        raise UserError(
            f"{path}: no face found in {len(lost)} of its {len(has_face)} frames, first in frame {lost[0]}; up to "
            f"{gaps.MAX_LOST:.0%} are interpolated. Cut the video to where the face is in full view."
        )
    gap = gaps.longest_gap(rhythm.positions, has_face, rhythm.fps)
    most = gaps.max_gap(rhythm.fps)
    if gap.length > most + 1e-6:
        seconds = rhythm.positions[lost] / rhythm.fps
        without_face = ((seconds >= gap.start - 1e-6) & (seconds < gap.start + gap.length)).any()
        missing, advice = (
            ("face", "Cut the video to where the face is in full view.")
            if without_face
            else ("frame", "Cut the video before or after that, or take the original recording.")
        )
        raise UserError(
            f"{path}: no {missing} for {gap.length:.2f} seconds, from {gap.start:.2f} on; up to {most:.2f} are "
            f"interpolated. {advice}"
        )


def _notes_on_faces(sample: Sample, rhythm: gaps.Rhythm, lost: int, other_faces: int) -> Iterator[str]:
    if other_faces:
        yield f"up to {other_faces + 1} faces at once; the one that takes up most of the video was followed."
    if not rhythm.even:
        yield f"its frames come at a varying rate; resampled to {rhythm.fps:.4g} a second."
    if sample.interpolated:
        reasons = ["no face was found in them"] * bool(lost) + ["it has no frame at their time"] * (not rhythm.even)
        yield f"{len(sample.interpolated)} of {len(sample.landmarks)} frames are interpolated: {', or '.join(reasons)}."


def _notes_on_times(rhythm: gaps.Rhythm) -> Iterator[str]:
    if rhythm.source == "header":
        yield f"its frames have no usable times; {rhythm.fps:.4g} a second, as its header says."
    if rhythm.source == "assumed":
        yield f"its frames have no times; {rhythm.fps:.4g} a second are assumed. If that is wrong, give the rate (fps)."
    if rhythm.mistimed:
        yield f"{rhythm.mistimed} of its frames' times are missing or go back, and were replaced."


def _notes_on_damage(reading: _Reading) -> Iterator[str]:
    if reading.damaged:
        yield f"it is damaged in {reading.damaged} of its frames."

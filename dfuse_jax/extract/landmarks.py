"""Landmarks of the face in one video."""

import contextlib
import os
import pathlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from dfuse_jax.extract import faces, gaps, mesh
from dfuse_jax.extract.mesh import Networks
from dfuse_jax.extract.video import Video, check_rate, read_frames, rhythm
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.runtime.files import checksum
from dfuse_jax.samples import Sample

# Several faces are noticed by a detector of their own, not by a mesh with max_num_faces=2: on a clean video of one face
# both give the same landmarks to the bit (this mesh smooths nothing), but on a noisy one the second tracker settles on
# the same face, disturbs the first and reports two. The detector takes 1 to 2 ms, so it looks at every 5th frame only.
EVERY = 5

OnFrame = Callable[[int, int], None]


class Extraction(NamedTuple):
    """The landmarks of a video, and what was noticed on the way.

    Attributes:
        sample: the landmarks.
        decoded: the frames of the video; as many as the sample's unless it was resampled in time.
        lost: in how many of them no face was found.
        other_faces: how many further faces were in view at once, at most.
        resampled: whether the frames were not evenly spaced.
    """

    sample: Sample
    decoded: int
    lost: int
    other_faces: int
    resampled: bool


class _Pass(NamedTuple):
    """What one reading of the video gave: [T] seconds, T times [478, 3] or None without a face, and other faces."""

    video: Video
    times: np.ndarray
    landmarks: list[np.ndarray | None]
    other_faces: int


def extract_landmarks(path: str | os.PathLike, *, on_frame: OnFrame | None = None) -> Sample:
    """Finds the landmarks in every frame of a video; of several faces, those of the one that takes up most of it.

    Frames without a face are interpolated if they are few (`gaps`), and so are all where the frame rate varies.

    Args:
        path: the video.
        on_frame: called after every frame with the frames done and the frames promised (0 when not known). A video of
            several faces is gone through again, three times in all.

    Returns:
        The sample, named after the file: landmarks [T, 478, 3] float32 in MediaPipe's own coordinates.

    Raises:
        UserError: the video cannot be read, or no face is found in too many of its frames.
    """
    return extract(path, on_frame=on_frame).sample


def extract(path: str | os.PathLike, *, on_frame: OnFrame | None = None) -> Extraction:
    """Does what `extract_landmarks` does, and returns what was noticed too."""
    path = pathlib.Path(path)
    result = _read(path, on_frame or (lambda done, promised: None))
    lost = sum(points is None for points in result.landmarks)
    if lost == len(result.landmarks):
        raise UserError(f"{path}: no face found in any of its {lost} frames. Pass a video of a face.")
    fps, positions = rhythm(result.times, result.video.fps)
    check_rate(path, fps)
    filled, interpolated = gaps.fill(result.landmarks, positions)
    if interpolated and gaps.too_many(interpolated, len(filled)):
        raise UserError(_missing(path, result, interpolated))
    sample = Sample(path.stem, filled, fps, result.video.image_size, source=checksum(path), interpolated=interpolated)
    return Extraction(sample, len(result.landmarks), lost, result.other_faces, bool((positions % 1).any()))


def _read(path: pathlib.Path, on_frame: OnFrame) -> _Pass:
    networks = mesh.networks()
    try:
        networks.restart()
        result = _one_face(path, networks, on_frame)
        if result.other_faces:
            result = _one_of_several(path, networks, on_frame)
    except RuntimeError:  # of a graph, which it leaves broken
        mesh.discard()
        raise
    return result


def _one_face(path: pathlib.Path, networks: Networks, on_frame: OnFrame) -> _Pass:
    """Reads a video of one face; once there is a second one (other_faces: 1) it stops."""
    video, frames = read_frames(path)
    times, landmarks, suspect = [], [], False
    with contextlib.closing(frames):
        for index, (time, image) in enumerate(frames):
            times.append(time)
            landmarks.append(mesh.find_landmarks(networks, image))
            # Two faces in one frame may be a false alarm, so the frame after it is searched too.
            if index % EVERY == 0 or suspect:
                several = len(mesh.find_boxes(networks, image)) > 1
                if several and suspect:
                    return _Pass(video, np.array(times), landmarks, other_faces=1)
                suspect = several
            on_frame(index + 1, video.frames)
    return _Pass(video, np.array(times), landmarks, other_faces=0)


def _one_of_several(path: pathlib.Path, networks: Networks, on_frame: OnFrame) -> _Pass:
    """Reads a video of several faces twice: finds where the largest one is, then its landmarks."""
    video, frames = read_frames(path)
    boxes = []
    with contextlib.closing(frames):
        for index, frame in enumerate(frames):
            boxes.append(mesh.find_boxes(networks, frame.image))
            on_frame(index + 1, video.frames)
    networks.restart()
    video, frames = read_frames(path)
    times, landmarks = [], []
    with contextlib.closing(frames):
        for index, ((time, image), face) in enumerate(zip(frames, faces.follow(boxes), strict=True)):
            times.append(time)
            landmarks.append(mesh.find_landmarks(networks, faces.isolate(image, face, boxes[index])))
            on_frame(index + 1, video.frames)
    return _Pass(video, np.array(times), landmarks, other_faces=max(map(len, boxes)) - 1)


def _missing(path: pathlib.Path, result: _Pass, interpolated) -> str:
    lost = [index for index, points in enumerate(result.landmarks) if points is None]
    if lost:
        reason = f"no face found in {len(lost)} of its {len(result.landmarks)} frames, first in frame {lost[0]}"
    else:
        gap = int(np.argmax(np.diff(result.times)))
        after = result.times[gap] - result.times[0]
        reason = f"{len(interpolated)} frames are missing, most after {after:.2f} seconds"
    return (
        f"{path}: {reason}; up to {gaps.MAX_RUN} in a row and {gaps.MAX_SHARE:.0%} of all are interpolated. "
        "Cut the video to where the face is in full view."
    )

"""Landmarks of the face in a video, by MediaPipe's Attention Mesh."""

import contextlib
import os
import pathlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from dfuse_jax.extract import faces as crowd
from dfuse_jax.extract import gaps
from dfuse_jax.extract.solutions import boxes, landmarks, prepare, restart
from dfuse_jax.extract.video import check_rate, read_frames, rhythm
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.runtime.files import checksum
from dfuse_jax.samples import Sample

# Several faces are noticed by a detector of their own, not by a mesh with max_num_faces=2: on a clean video of one face
# both give the same landmarks to the bit (this mesh smooths nothing), but on a noisy one the second tracker settles on
# the same face, disturbs the first and reports two. The detector takes 1 to 2 ms, so it looks at every 5th frame only.
EVERY = 5

OnFrame = Callable[[int, int], None]


class Found(NamedTuple):
    """What a video gave.

    Attributes:
        sample: the landmarks.
        decoded: the frames of the video; as many as the sample's unless it was resampled in time.
        lost: in how many of them no face was found.
        others: how many further faces were in view at once, at most.
        resampled: whether the frames were not evenly spaced.
    """

    sample: Sample
    decoded: int
    lost: int
    others: int
    resampled: bool


def extract(path: str | os.PathLike, *, on_frame: OnFrame | None = None) -> Sample:
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
    return examine(path, on_frame=on_frame).sample


def examine(path: str | os.PathLike, *, on_frame: OnFrame | None = None) -> Found:
    """As `extract`, and tells what was seen."""
    path = pathlib.Path(path)
    on_frame = on_frame or (lambda done, promised: None)
    mesh, detector = prepare()
    try:
        restart(mesh)
        restart(detector)
        video, times, faces, others = _one(path, mesh, detector, on_frame)
        if others:
            video, times, faces, others = _one_of_several(path, mesh, detector, on_frame)
    except RuntimeError:  # of a graph, which it leaves broken
        prepare.cache_clear()
        raise
    lost = sum(face is None for face in faces)
    if lost == len(faces):
        raise UserError(f"{path}: no face found in any of its {lost} frames. Pass a video of a face.")
    fps, positions = rhythm(times, video.fps)
    check_rate(path, fps)
    filled, interpolated = gaps.fill(faces, positions)
    if interpolated and gaps.too_many(interpolated, len(filled)):
        raise UserError(_missing(path, faces, times, interpolated))
    sample = Sample(path.stem, filled, fps, video.image_size, source=checksum(path), interpolated=interpolated)
    return Found(sample, len(faces), lost, others, bool((positions % 1).any()))


def _one(path, mesh, detector, on_frame):
    """Every frame's landmarks if there is one face, else what there was until a second came (others: 1)."""
    video, frames = read_frames(path)
    times, faces, suspect = [], [], False
    with contextlib.closing(frames):
        for index, (time, image) in enumerate(frames):
            times.append(time)
            faces.append(landmarks(mesh, image))
            # One look at two faces may be a false alarm, so the frame after it is looked at too.
            if index % EVERY == 0 or suspect:
                several = len(boxes(detector, image)) > 1
                if several and suspect:
                    return video, np.array(times), faces, 1
                suspect = several
            on_frame(index + 1, video.frames)
    return video, np.array(times), faces, 0


def _one_of_several(path, mesh, detector, on_frame):
    """Every frame's landmarks of the face that takes up most of the video."""
    video, frames = read_frames(path)
    seen = []
    with contextlib.closing(frames):
        for index, frame in enumerate(frames):
            seen.append(boxes(detector, frame.image))
            on_frame(index + 1, video.frames)
    restart(mesh)
    video, frames = read_frames(path)
    times, faces = [], []
    with contextlib.closing(frames):
        for index, ((time, image), face) in enumerate(zip(frames, crowd.follow(seen), strict=True)):
            times.append(time)
            faces.append(landmarks(mesh, crowd.alone(image, face, seen[index])))
            on_frame(index + 1, video.frames)
    return video, np.array(times), faces, max(map(len, seen)) - 1


def _missing(path, faces, times, interpolated):
    lost = [index for index, face in enumerate(faces) if face is None]
    if lost:
        what = f"no face found in {len(lost)} of its {len(faces)} frames, first in frame {lost[0]}"
    else:
        gap = int(np.argmax(np.diff(times)))
        what = f"{len(interpolated)} frames are missing, most after {times[gap] - times[0]:.2f} seconds"
    return (
        f"{path}: {what}; up to {gaps.MAX_RUN} in a row and {gaps.MAX_SHARE:.0%} of all are interpolated. "
        "Cut the video to where the face is in full view."
    )

"""Frames of a video file, and when each was taken."""

import os
import pathlib
from collections.abc import Generator
from typing import NamedTuple

import numpy as np

from dfuse_jax.extract.native import quiet, require
from dfuse_jax.runtime.errors import UserError

SUFFIXES = (
    *(".mp4", ".avi", ".mov", ".mkv", ".wmv", ".mpg", ".mpeg"),
    *(".3gp", ".flv", ".m2ts", ".m4v", ".mts", ".ogv", ".ts", ".webm"),
)
FPS_RANGE = (1, 500)  # a recording of a face; a broken header says 0, or its time base: 1000, 90000
WHOLE = 0.95  # of the frames that the container promises; some containers only estimate their number
EVEN = 0.25  # frames whose distances in time differ by less than this share, or by less than TICK, are evenly spaced
TICK = 0.0021  # seconds; some containers round to milliseconds


class Video(NamedTuple):
    """What a video file says about itself.

    Attributes:
        fps: frames per second.
        image_size: (width, height) in pixels, after the rotation that the file asks for.
        frames: how many frames the container promises; 0 when it does not say.
    """

    fps: float
    image_size: tuple[int, int]
    frames: int


class Frame(NamedTuple):
    """A frame: when it is shown, in seconds, and what, [height, width, 3] uint8 RGB."""

    time: float
    image: np.ndarray


def read_frames(path: str | os.PathLike) -> tuple[Video, Generator[Frame]]:
    """Opens a video. Frames come upright, in colour and 8 bits, whatever the file holds.

    Returns:
        What the file says about itself, and an iterator of its frames.

    Raises:
        UserError: on opening, when there is no video to read; at the end of the frames, when the file is truncated.
    """
    path = pathlib.Path(path)
    _check_file(path)
    cv2 = require("cv2")
    with quiet():
        if cv2.haveImageReader(str(path)):
            raise UserError(f"{path}: is a picture, not a video. Pass the video itself.")
        # Other backends take a path for a pattern of names. One thread: videos are what is done in parallel.
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)  # some builds of OpenCV leave it off
        opened = capture.isOpened()
        fps, promised = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
        readable, first = capture.read()
    if not opened:
        raise UserError(f"{path}: is no video, or is cut off or damaged. Copy it again or convert it to .mp4.")
    if not readable:
        raise UserError(f"{path}: has no frames that can be decoded. Copy it again or convert it to .mp4.")
    video = Video(fps, (first.shape[1], first.shape[0]), max(0, int(promised)))
    return video, _frames(path, capture, first, video)


def rhythm(times: np.ndarray, fps: float) -> tuple[float, np.ndarray]:
    """The frame rate, and where on its grid the frames are, from when they are shown.

    Args:
        times: [T] in seconds.
        fps: what the container says; it is taken where the times do not contradict it.

    Returns:
        Frames per second, and [T] positions from 0: 0, 1, 2... exactly for evenly spaced frames, fractions otherwise.
    """
    even, steps = np.arange(len(times), dtype=float), np.diff(times)
    if len(steps) == 0 or steps.min() <= 0:  # the container knows no times
        return fps, even
    usual = np.median(steps)
    if np.all(np.abs(steps - usual) < max(EVEN * usual, TICK)):
        measured = 1 / steps.mean()
        return fps if abs(measured - fps) * (times[-1] - times[0]) < 1 else measured, even
    return 1 / usual, (times - times[0]) / usual


def check_rate(path: pathlib.Path, fps: float) -> None:
    """Raises UserError for a frame rate that no recording of a face has."""
    if not FPS_RANGE[0] <= fps <= FPS_RANGE[1]:
        raise UserError(f"{path}: says {fps:g} frames per second. Convert it with the true rate (ffmpeg -r).")


def _check_file(path):
    if path.is_dir():
        raise UserError(f"{path}: is a folder. Pass the videos in it.")
    if not path.is_file():
        raise UserError(f"{path}: no such file. Check the path.")
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read ({error.strerror}). Check its permissions, or copy it again."
        ) from error
    if empty:
        raise UserError(f"{path}: is empty (0 bytes). Copy it again.")


def _frames(path, capture, image, video):
    cv2 = require("cv2")
    decoded, more, start, time = 0, True, None, 0.0
    try:
        while more:
            decoded += 1
            time = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            start = time if start is None else start
            if image.shape[1::-1] != video.image_size:
                raise UserError(f"{path}: frame {decoded - 1} has another size than the first. Convert it to one size.")
            yield Frame(time, cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
            with quiet():
                more, image = capture.read()
    finally:
        capture.release()
    # Where the frames come at a varying rate, their promised number is an estimate from the duration.
    short = video.fps <= 0 or (time - (start or 0)) * video.fps + 1 < WHOLE * video.frames
    if decoded < WHOLE * video.frames and short:
        raise UserError(f"{path}: is cut off: {decoded} of its {video.frames} frames can be decoded. Copy it again.")

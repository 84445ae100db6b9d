"""Frames of a video file."""

import os
import pathlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from dfuse_jax.errors import UserError
from dfuse_jax.extract.native import quiet, require

FPS_RANGE = (1, 500)  # a recording of a face; a broken header says 0, or its time base: 1000, 90000
WHOLE = 0.95  # of the frames that the container promises; some containers only estimate their number


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


def read_frames(path: str | os.PathLike) -> tuple[Video, Iterator[np.ndarray]]:
    """Opens a video.

    Returns:
        What the file says about itself, and an iterator of its frames, [height, width, 3] uint8 RGB.

    Raises:
        UserError: on opening, when there is no video to read; at the end of the frames, when the file is truncated.
    """
    path = pathlib.Path(path)
    _check_file(path)
    cv2 = require("cv2")
    with quiet():
        if cv2.haveImageReader(str(path)):
            raise UserError(f"{path}: is a picture, not a video. Pass the video itself.")
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)  # other backends take a path for a pattern of names
        opened = capture.isOpened()
        fps, promised = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
        readable, first = capture.read()
    if not opened:
        raise UserError(f"{path}: is no video, or is cut off or damaged. Copy it again or convert it to .mp4.")
    if not readable:
        raise UserError(f"{path}: has no frames that can be decoded. Copy it again or convert it to .mp4.")
    if not FPS_RANGE[0] <= fps <= FPS_RANGE[1]:
        raise UserError(f"{path}: says {fps:g} frames per second. Convert it with the true rate (ffmpeg -r).")
    video = Video(fps, (first.shape[1], first.shape[0]), max(0, int(promised)))
    return video, _frames(path, capture, first, video.frames)


def _check_file(path):
    if path.is_dir():
        raise UserError(f"{path}: is a folder. Pass the videos in it.")
    if not path.is_file():
        raise UserError(f"{path}: no such file. Check the path.")
    if path.stat().st_size == 0:
        raise UserError(f"{path}: is empty (0 bytes). Copy it again.")


def _frames(path, capture, image, promised):
    cv2 = require("cv2")
    decoded, more = 0, True
    try:
        while more:
            decoded += 1
            yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
            with quiet():
                more, image = capture.read()
    finally:
        capture.release()
    if decoded < WHOLE * promised:
        raise UserError(f"{path}: is cut off: {decoded} of its {promised} frames can be decoded. Copy it again.")

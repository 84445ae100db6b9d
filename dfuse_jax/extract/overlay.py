"""A recording with what was found drawn into it: everybody's mesh, lip signal and smiles."""

import os
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from dfuse_jax.extract.native import require
from dfuse_jax.extract.recording import Recording
from dfuse_jax.extract.video import Video
from dfuse_jax.runtime.files import atomic

COLOURS = ((0, 158, 115), (0, 114, 178), (230, 159, 0), (213, 94, 0))  # RGB, of people in turn
SECONDS = 6.0  # of the lip signal that are shown
STRIP = 60  # pixels of height, of the signal
RANGE = (0.35, 0.9)  # of D_lip, from bottom to top
CLOCK = 90_000  # ticks a second of the file's times
QUALITY = "20"  # of H.264, constant rate factor


class Lane(NamedTuple):
    """What is drawn of one person.

    Attributes:
        landmarks: of every frame of the video, NaN where none are drawn.
        lip: D_lip on the recording's grid.
        spans: begin and end of the smiles, in frames of the grid.
    """

    landmarks: Iterable[Float[np.ndarray, "478 3"]]
    lip: Float[np.ndarray, " frames"]
    spans: Sequence[tuple[float, float]]


def write(
    path: str | os.PathLike,
    video: str | os.PathLike,
    recorded: Recording,
    lanes: Sequence[Lane],
    *,
    pixel_aspect: float | None = None,
) -> None:
    """Writes a video (H.264 in .mp4) of a recording's frames.

    Args:
        path: of the file; it is whole or not there.
        video: the recording's own file.
        recorded: when its frames are shown, and how large they are.
        lanes: of everybody.
        pixel_aspect: as the recording was made with.
    """
    av = require("av")
    with Video(video, pixel_aspect=pixel_aspect) as source, atomic(path, "wb") as file:
        width, height = (size - size % 2 for size in source.image_size)
        with av.open(file, "w", format="mp4") as container:
            stream = container.add_stream("libx264", rate=Fraction(recorded.fps).limit_denominator(1001))
            stream.width, stream.height, stream.pix_fmt = width, height + STRIP, "yuv420p"
            stream.options = {"crf": QUALITY}
            stream.codec_context.time_base = Fraction(1, CLOCK)
            faces = [iter(lane.landmarks) for lane in lanes]
            for index, frame in enumerate(source):
                position = recorded.positions[index]
                image = np.zeros((height + STRIP, width, 3), np.uint8)
                image[:height] = frame.image[:height, :width]
                for person, lane in enumerate(lanes):
                    colour = COLOURS[person % len(COLOURS)]
                    number = next((n for n, (a, b) in enumerate(lane.spans) if a <= position <= b), None)
                    draw_face(image, next(faces[person]), recorded.image_size, colour, number)
                    draw_signal(image, lane.lip, lane.spans, position, recorded.fps, colour)
                picture = av.VideoFrame.from_ndarray(image, format="rgb24")
                picture.pts = round(position / recorded.fps * CLOCK)
                picture.time_base = Fraction(1, CLOCK)
                container.mux(stream.encode(picture))
            container.mux(stream.encode())


def draw_face(
    image: UInt8[np.ndarray, "height width 3"],
    landmarks: Float[np.ndarray, "478 3"],
    size: tuple[int, int],
    colour: tuple[int, int, int],
    smile: int | None,
) -> None:
    """Draws the mesh of a face, and the number of its smile, if it smiles; nothing where there is no face."""
    import cv2

    if np.isnan(landmarks[0, 0]):
        return
    points = (landmarks[:, :2] * size).round().astype(int)
    radius = max(1, size[0] // 640)
    for point in points.tolist():
        cv2.circle(image, point, radius, colour, -1)
    if smile is not None:
        left, top = points.min(axis=0).tolist()
        right, bottom = points.max(axis=0).tolist()
        cv2.rectangle(image, (left, top), (right, bottom), colour, 2)
        cv2.putText(image, f"smile {smile + 1}", (left, max(12, top - 5)), 0, 0.5, colour, 1, cv2.LINE_AA)


def draw_signal(
    image: UInt8[np.ndarray, "height width 3"],
    lip: Float[np.ndarray, " frames"],
    spans: Sequence[tuple[float, float]],
    position: float,
    fps: float,
    colour: tuple[int, int, int],
) -> None:
    """Draws the last SECONDS of a lip signal into the strip at the bottom, thick within smiles."""
    import cv2

    height, width = image.shape[:2]
    last = int(position)
    frames = np.arange(max(0, last - int(SECONDS * fps)), min(last + 1, len(lip)))
    frames = frames[np.isfinite(lip[frames])]
    share = np.clip((lip[frames] - RANGE[0]) / (RANGE[1] - RANGE[0]), 0, 1)
    x = (width - 1 + (frames - last) / (SECONDS * fps) * width).round().astype(int)
    y = (height - 1 - share * (STRIP - 2)).round().astype(int)
    smiling = np.zeros(len(frames), bool)
    for begin, end in spans:
        smiling |= (frames >= begin) & (frames <= end)
    for k in range(1, len(frames)):
        if frames[k] == frames[k - 1] + 1:
            cv2.line(image, (int(x[k - 1]), int(y[k - 1])), (int(x[k]), int(y[k])), colour, 3 if smiling[k] else 1)

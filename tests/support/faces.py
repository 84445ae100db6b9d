"""Videos of a real face that smiles: a public-domain photograph, its lip corners, cheeks and lids moved over time.

The photograph is `skimage.data.astronaut()` (Eileen Collins, NASA, public domain). A test that needs a video with
known onset, apex and offset renders one: `from faces import render_smile`.
"""

import pathlib
import subprocess
from fractions import Fraction

import av
import cv2
import imageio_ffmpeg
import numpy as np
import skimage.data

CENTER, HEIGHT = (225.0, 125.0), 225.0  # what of the photograph is shown: its middle and its height, pixels

# Where the face moves from rest (amplitude 0) to the apex (amplitude 1). Read off the photograph, in its pixels:
# (x, y), (dx, dy), radius. "Right" is the person's right, so it comes first and lies to the left.
MOVES = [
    ((202.5, 139.6), (-8.0, -5.0), 10.0),  # right lip corner: outwards and up
    ((245.0, 141.2), (8.0, -5.0), 10.0),  # left lip corner
    ((190.6, 119.9), (0.0, -3.0), 10.0),  # right cheek: up
    ((258.0, 122.9), (0.0, -3.0), 10.0),  # left cheek
    ((203.0, 98.1), (0.0, 1.5), 4.0),  # right upper lid: down
    ((248.4, 100.1), (0.0, 1.5), 4.0),  # left upper lid
]
REST = 0.45  # the photograph itself smiles: this much of the way to the apex


def amplitudes(frames: int, onset: int, apex: int, offset: int, start: int) -> np.ndarray:
    """[frames] in [0, 1]: `start` frames at rest, `onset` rising, `apex` held, `offset` falling, then rest."""
    curve = np.concatenate([np.zeros(start), _rise(onset), np.ones(apex), 1 - _rise(offset)])
    return np.pad(curve, (0, max(0, frames - len(curve))))[:frames]


def photo_to_image(size):
    """[2, 3]: the affine map from the photograph's pixels to those of an image of `size` (width, height)."""
    scale = size[1] / HEIGHT
    return np.array([[scale, 0, size[0] / 2 - scale * CENTER[0]], [0, scale, size[1] / 2 - scale * CENTER[1]]])


def portrait(size: tuple[int, int] = (640, 480)) -> np.ndarray:
    """The photograph's face, [height, width, 3] uint8 RGB."""
    return cv2.warpAffine(
        skimage.data.astronaut(), photo_to_image(size), size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )


def smiling(size: tuple[int, int] = (640, 480), **timing):
    """Yields (frame [height, width, 3] uint8 RGB, amplitude); `timing` as `render_smile`'s."""
    timing = {"frames": 60, "onset": 15, "apex": 15, "offset": 15, "start": 5, "motion": 1.0, "seed": 0} | timing
    motion, seed = timing.pop("motion"), timing.pop("seed")
    base, field = portrait(size), _field(size)
    columns, rows = np.meshgrid(np.arange(size[0], dtype=np.float32), np.arange(size[1], dtype=np.float32))
    phase = np.random.default_rng(seed).uniform(0, 2 * np.pi, 4)
    for t, amplitude in enumerate(amplitudes(**timing)):
        moved = field * np.float32(amplitude - REST)
        face = cv2.remap(base, columns - moved[0], rows - moved[1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        sway = motion * np.sin(2 * np.pi * t / np.array([70, 55, 90, 80]) + phase)
        head = cv2.getRotationMatrix2D((size[0] / 2, size[1] / 2), 2.0 * sway[2], 1 + 0.02 * sway[3])
        head[:, 2] += 0.01 * size[1] * sway[:2]
        yield cv2.warpAffine(face, head, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT), amplitude


def render_smile(path, *, fps: float = 25, size: tuple[int, int] = (640, 480), codec: str | None = None, **timing):
    """Writes a video of a smile and returns its amplitude in every frame, [frames] in [0, 1].

    Args:
        path: the video, .mp4, .avi, or .mkv, which loses nothing.
        fps: frames per second.
        size: (width, height) in pixels.
        codec: as FFmpeg names its encoder; by default mpeg4 for .mp4, mjpeg for .avi, ffv1 for .mkv.
        timing: all in frames: `frames` (60 in all), `start` (5 at rest), `onset` (15), `apex` (15), `offset` (15);
            `motion` (1.0) scales the head's sway, whose phases come from `seed` (0).
    """
    images, curve = zip(*smiling(size, **timing), strict=True)
    write_video(path, images, fps=fps, codec=codec)
    return np.array(curve)


def write_video(path, images, *, fps: float = 25, codec: str | None = None, times=None, pixels: str | None = None):
    """Writes RGB uint8 images [height, width, 3], all of one size, as a video.

    Args:
        path: the video.
        images: its frames.
        fps: frames per second.
        codec: as FFmpeg names its encoder; by default mpeg4 for .mp4, mjpeg for .avi, ffv1 for .mkv.
        times: in seconds, when the frames are shown, in a file that keeps such times (.mp4); None: evenly.
        pixels: the format of pixels, such as gray16le; None: yuv420p, for ffv1 yuv444p.
    """
    path, images = pathlib.Path(path), list(images)
    codecs = {".mp4": "libx264" if times is not None else "mpeg4", ".avi": "mjpeg", ".mkv": "ffv1"}
    codec = codec or codecs[path.suffix]
    rate = Fraction(fps).limit_denominator(1001)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pixels or {"mjpeg": "yuvj420p", "ffv1": "yuv444p"}.get(codec, "yuv420p")
        stream.bit_rate = int(4 * fps * stream.width * stream.height)
        stream.codec_context.thread_count = 1
        if times is not None:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 90000)
        for index, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = round(90000 * times[index]), Fraction(1, 90000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def ffmpeg(*arguments) -> None:
    """Runs ffmpeg, which overwrites files; its own options for input and output are in `arguments`."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-y", "-threads", "1", *map(str, arguments)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)


def _rise(frames):
    return 0.5 - 0.5 * np.cos(np.pi * np.arange(1, frames + 1) / frames)


def _field(size):
    """[2, height, width] float32: how far every pixel moves from rest to the apex, in pixels."""
    to_image = photo_to_image(size)
    scale = to_image[0, 0]
    rows, columns = np.mgrid[: size[1], : size[0]].astype(np.float32)
    field = np.zeros((2, size[1], size[0]), np.float32)
    for point, move, radius in MOVES:
        x, y = to_image[:, :2] @ point + to_image[:, 2]
        weight = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * (scale * radius) ** 2))
        field += weight * (scale * np.array(move, np.float32))[:, None, None]
    return field

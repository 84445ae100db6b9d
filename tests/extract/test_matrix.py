"""Containers, codecs, rates, turns, mirrors and shapes of pixels: each file gives what the plain video gives.

The fast tests take every value of every dimension once; the slow ones take the products.
"""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from faces import ffmpeg, smiling, write_video

from dfuse_jax.extract.landmarks import extract, extract_landmarks

SIZE, FRAMES = (320, 240), 12
CODECS = {
    "h264": ["-c:v", "libx264", "-crf", 4, "-pix_fmt", "yuv420p"],
    "hevc": ["-c:v", "libx265", "-crf", 4, "-pix_fmt", "yuv420p", "-x265-params", "log-level=none"],
    "hevc10": ["-c:v", "libx265", "-crf", 4, "-pix_fmt", "yuv420p10le", "-x265-params", "log-level=none"],
    "vp8": ["-c:v", "libvpx", "-b:v", "4M", "-deadline", "realtime"],
    "vp9": ["-c:v", "libvpx-vp9", "-b:v", "4M", "-deadline", "realtime"],
    "av1": ["-c:v", "libsvtav1", "-crf", 10, "-preset", 12],
    "mpeg4": ["-c:v", "mpeg4", "-q:v", 2],
    "mpeg2": ["-c:v", "mpeg2video", "-q:v", 2],
    "mjpeg": ["-c:v", "mjpeg", "-q:v", 2, "-pix_fmt", "yuvj420p"],
    "prores": ["-c:v", "prores_ks"],
    "ffv1": ["-c:v", "ffv1"],
}
CONTAINERS = {
    "mp4": ["h264", "hevc", "hevc10", "vp9", "av1", "mpeg4"],
    "mov": ["h264", "hevc", "prores", "mjpeg"],
    "mkv": ["h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mjpeg", "ffv1"],
    "webm": ["vp8", "vp9", "av1"],
    "avi": ["h264", "mpeg4", "mjpeg", "ffv1"],
    "ts": ["h264", "hevc", "mpeg2"],
    "mpg": ["mpeg2"],
}
RATES = ["24", "25", "30", "50", "60", "24000/1001", "30000/1001"]
FEW = [  # every container and every codec
    *(("mp4", codec) for codec in ("h264", "hevc10", "av1")),
    *(("mov", codec) for codec in ("hevc", "prores")),
    *(("mkv", codec) for codec in ("vp9", "ffv1")),
    *(("webm", "vp8"), ("avi", "mpeg4"), ("avi", "mjpeg"), ("ts", "h264"), ("mpg", "mpeg2")),
]
FILES = [(container, codec) for container, codecs in CONTAINERS.items() for codec in codecs]
TURNS = {  # by the angle and whether mirrored: how the picture is stored
    (0, False): [],
    (90, False): ["transpose=clock"],
    (180, False): ["hflip,vflip"],
    (270, False): ["transpose=cclock"],
    (0, True): ["hflip"],
    (90, True): ["transpose=clock_flip"],
    (180, True): ["vflip"],
    (270, True): ["transpose=cclock_flip"],
}
PIXELS = {"1/1": 320, "16/15": 300, "4/3": 240, "8/9": 360}  # shape: stored width


def fast_and_slow(fast, everything):
    """Every combination as a parameter of its own, all but the fast ones marked slow."""
    return [
        combination if combination in fast else pytest.param(*combination, marks=pytest.mark.slow)
        for combination in everything
    ]


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The images without loss, and the sample."""
    path = tmp_path_factory.mktemp("plain") / "plain.mkv"
    images = [image for image, _ in smiling(SIZE, frames=FRAMES, start=2, onset=6, apex=2, offset=2)]
    write_video(path, images, fps=30)
    return path, extract_landmarks(path)


def distance(landmarks, others):
    """Mean distance in the image, in per cent of that between the eyes' outer corners."""
    a, b = (points[..., :2] * (1, SIZE[1] / SIZE[0]) for points in (landmarks, others))
    return 100 * np.linalg.norm(a - b, axis=-1).mean() / np.linalg.norm(b[:, 33] - b[:, 263], axis=-1).mean()


@pytest.mark.parametrize(
    ("container", "codec", "rate"),
    fast_and_slow(
        [(*file, RATES[index % len(RATES)]) for index, file in enumerate(FEW)],
        [(*file, rate) for file, rate in itertools.product(FILES, RATES)],
    ),
)
def test_containers_codecs_and_rates(plain, tmp_path, container, codec, rate):
    """Frames and rate are exact. Landmarks are within 1% (2.5% where codecs lose more) of the plain video's."""
    path = tmp_path / f"a.{container}"
    ffmpeg("-r", rate, "-i", plain[0], *CODECS[codec], path)
    result = extract(path)
    assert (result.decoded, len(result.sample.landmarks), result.lost, result.resampled) == (FRAMES, FRAMES, 0, False)
    assert result.sample.fps == pytest.approx(float(Fraction(rate)), rel=1e-6)
    assert result.sample.image_size == SIZE
    limit = 2.5 if codec in ("vp8", "vp9", "av1", "mpeg2", "mpeg4", "mjpeg") else 1
    assert distance(result.sample.landmarks, plain[1].landmarks) < limit


@pytest.mark.parametrize(
    ("turn", "mirrored", "pixels", "container"),
    fast_and_slow(
        [(0, False, "16/15", "mp4"), (90, True, "4/3", "mov"), (180, False, "8/9", "mkv"), (270, True, "1/1", "mp4")],
        [(*turn, *rest) for turn, *rest in itertools.product(TURNS, PIXELS, ("mp4", "mov", "mkv"))],
    ),
)
def test_turns_mirrors_and_shapes_of_pixels(plain, tmp_path, turn, mirrored, pixels, container):
    """The file says how to turn and mirror what it stores, and how wide its pixels are: the face is the plain one."""
    shape = Fraction(pixels)
    shape = 1 / shape if turn in (90, 270) else shape  # as it is stored, before it is turned
    filters = [f"scale={PIXELS[pixels]}:240", *TURNS[turn, mirrored], f"setsar={shape}"]
    ffmpeg("-i", plain[0], "-vf", ",".join(filters), *CODECS["h264"], tmp_path / "stored.mp4")
    shown = ["-display_rotation", turn] if turn else []
    shown += ["-display_hflip"] if mirrored else []
    path = tmp_path / f"a.{container}"
    ffmpeg(*shown, "-i", tmp_path / "stored.mp4", "-c", "copy", path)
    sample = extract_landmarks(path)
    assert sample.aspect == pytest.approx(SIZE[1] / SIZE[0]) and len(sample.landmarks) == FRAMES
    assert distance(sample.landmarks, plain[1].landmarks) < 1.2

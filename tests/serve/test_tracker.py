"""What is taken for a picture, and the process that finds the face in it."""

import asyncio
import contextlib
import io
import os
import signal
import struct
import subprocess
import sys

import numpy as np
import pytest
from faces import portrait
from live import jpeg
from PIL import Image

from dfuse_jax.serve import tracker
from dfuse_jax.serve.tracker import PictureError, Tracker, TrackerError, decode


def with_size(width, height):
    """A small JPEG whose header says that it is of this size."""
    data = bytearray(jpeg(64, 64))
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def test_a_picture_is_read():
    image = decode(jpeg(640, 360))
    assert image.shape == (360, 640, 3) and image.dtype == np.uint8 and abs(int(image[0, 0, 0]) - 90) < 2


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no whole JPEG"),
        (b"\xff\xd8\xff", "no whole JPEG"),
        (b"GIF89a" + bytes(100), "no whole JPEG"),
        (bytes(100_000), "no whole JPEG"),
        (jpeg()[:-400], "no whole JPEG"),
        (with_size(60_000, 60_000), "far too many pixels"),
        (with_size(4000, 4000), "4000 x 4000"),
        (with_size(0, 0), "."),
        (jpeg(8, 8), "at least 64"),
        (jpeg(progressive=True), "progressive"),
    ],
    ids=["empty", "head", "gif", "zeros", "cut", "bomb", "large", "nothing", "tiny", "progressive"],
)
def test_what_is_no_picture_is_refused(data, reason):
    with pytest.raises(PictureError, match=reason):
        decode(data)


def test_a_bomb_is_not_decoded(monkeypatch):
    """Its pixels would take 10.8 GB."""
    monkeypatch.setattr(Image.Image, "convert", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(PictureError):
        decode(with_size(60_000, 60_000))


def test_noise_is_never_anything_else_than_refused():
    rng = np.random.default_rng(0)
    good = np.frombuffer(jpeg(96, 96), np.uint8)
    for _ in range(200):
        data = good.copy()
        data[rng.integers(0, len(data), rng.integers(1, 20))] = rng.integers(0, 256)
        with contextlib.suppress(PictureError):
            assert decode(data[: rng.integers(1, len(data) + 1)].tobytes()).ndim == 3


@pytest.mark.slow
def test_a_process_finds_the_face_and_goes_on_after_what_is_no_picture():
    async def run():
        mine = Tracker()
        try:
            await mine.ready()
            with pytest.raises(PictureError, match="no whole JPEG"):
                await mine.find(b"nothing")
            nobody = await mine.find(jpeg())
            file = io.BytesIO()
            Image.fromarray(portrait((640, 480))).save(file, "JPEG", quality=90)
            somebody = [await mine.find(file.getvalue()) for _ in range(2)][-1]
            os.kill(mine.pid, signal.SIGKILL)
            with pytest.raises(TrackerError, match="signal 9"):
                await mine.find(jpeg())
            assert not mine.alive
            return nobody, somebody
        finally:
            mine.end()

    nobody, somebody = asyncio.run(run())
    assert (nobody.landmarks, nobody.faces, nobody.image_size) == (None, 0, (640, 360))
    assert somebody.landmarks.shape == (478, 3) and somebody.faces == 1 and somebody.image_size == (640, 480)
    assert somebody.change < 1


@pytest.mark.slow
def test_of_several_faces_one_is_followed():
    from dfuse_jax.extract import mesh

    still = portrait((240, 240))
    small = np.zeros_like(still)
    small[60:180, 60:180] = np.asarray(Image.fromarray(still).resize((120, 120)))
    follower = tracker.Follower(mesh.networks())
    mesh.networks().restart()
    both = np.ascontiguousarray(np.hstack([still, small]))
    seen = [follower.see(both) for _ in range(8)]
    assert seen[-1].faces == 2
    assert all(one.landmarks[:, 0].max() < 0.5 for one in seen[2:])
    alone = follower.see(np.ascontiguousarray(np.hstack([still, np.zeros_like(still)])))
    for _ in range(5):
        alone = follower.see(np.ascontiguousarray(np.hstack([still, np.zeros_like(still)])))
    assert alone.faces == 1


def test_it_starts_without_jax():
    program = "import sys, dfuse_jax.serve.tracker; print({'jax', 'mediapipe'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"

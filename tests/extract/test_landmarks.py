"""Extraction of landmarks from videos of a real face, good and bad ones."""

import sys

import numpy as np
import pytest
from faces import photo_to_image, portrait, render_smile, smiling, write_video

from dfuse_jax.extract import mesh
from dfuse_jax.extract.landmarks import extract_landmarks
from dfuse_jax.extract.video import read_frames
from dfuse_jax.runtime.errors import UserError

FPS, SIZE, START, ONSET, APEX, OFFSET, FRAMES = 29.97, (480, 360), 10, 15, 20, 15, 70


@pytest.fixture(scope="session")
def smile_video(tmp_path_factory):
    path = tmp_path_factory.mktemp("smile") / "smile.mp4"
    render_smile(path, fps=FPS, size=SIZE, start=START, onset=ONSET, apex=APEX, offset=OFFSET, frames=FRAMES)
    return path


@pytest.fixture(scope="session")
def smile(smile_video):
    return extract_landmarks(smile_video)


@pytest.fixture(scope="session")
def bad(tmp_path_factory):
    """{kind: (video, what its error must say)}."""
    folder = tmp_path_factory.mktemp("bad")
    face = portrait(SIZE)
    noise = np.random.default_rng(0).integers(0, 256, face.shape, dtype=np.uint8)
    render_smile(folder / "whole.avi", frames=40)
    render_smile(folder / "whole.mp4", frames=40)
    for name in ("cut.avi", "cut.mp4"):
        whole = (folder / f"whole{name[3:]}").read_bytes()
        (folder / name).write_bytes(whole[: len(whole) // 2])
    write_video(folder / "noise.mp4", [noise] * 8)
    write_video(folder / "some.mp4", [face] * 7 + [noise] * 4)
    write_video(folder / "fast.mp4", [face] * 3, fps=1000)
    (folder / "text.mp4").write_text("not a video\n" * 100)
    (folder / "picture.mp4").write_bytes(_png(face))
    (folder / "empty.mp4").touch()
    _video_without_frames(folder / "none.avi")
    says = {
        "cut.avi": r"cut off: \d+ of its 40 frames",
        "cut.mp4": "no video, or is cut off",
        "noise.mp4": "no face found in any of its 8 frames",
        "some.mp4": r"no face found in 4 of its 11 frames, first in frame 7\b",
        "fast.mp4": "says 1000 frames per second",
        "text.mp4": "no video",
        "picture.mp4": "a picture, not a video",
        "empty.mp4": "empty",
        "none.avi": "no frames",
        "missing.mp4": "no such file",
        ".": "a folder",
    }
    return {kind: (folder / kind, pattern) for kind, pattern in says.items()}


def _difference(images, others):
    return np.mean([np.abs(a.astype(int) - b).mean() for a, b in zip(images[::10], others[::10], strict=True)])


def _png(image):
    import cv2

    return cv2.imencode(".png", image)[1].tobytes()


def _video_without_frames(path):
    import cv2

    cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25, SIZE).release()


BAD = [
    "cut.avi",
    "cut.mp4",
    "noise.mp4",
    "some.mp4",
    "fast.mp4",
    "text.mp4",
    "picture.mp4",
]
BAD += ["empty.mp4", "none.avi", "missing.mp4", "."]


def _width(landmarks, right, left):
    return np.linalg.norm((landmarks[:, left] - landmarks[:, right])[:, :2] * SIZE, axis=-1)


def test_frames_are_rgb_and_all_there(smile_video):
    video, images = read_frames(smile_video)
    images = [frame.image for frame in images]
    assert (len(images), video.frames, video.image_size) == (FRAMES, FRAMES, SIZE)
    assert video.fps == pytest.approx(FPS, abs=0.01)
    written = [image for image, _ in smiling(SIZE, frames=FRAMES, start=START, onset=ONSET, apex=APEX, offset=OFFSET)]
    assert _difference(images, written) < 5  # what the codec loses
    assert _difference(images, [image[..., ::-1] for image in written]) > 10  # red and blue swapped


def test_sample(smile):
    assert smile.name == "smile"
    assert smile.landmarks.shape == (FRAMES, 478, 3)
    assert smile.landmarks.dtype == np.float32
    assert smile.image_size == SIZE
    assert smile.fps == pytest.approx(FPS, abs=0.01)
    assert smile.label is None
    assert np.isfinite(smile.landmarks).all()


def test_landmarks_lie_on_the_face(tmp_path):
    """Irises, inner lip corners, nose tip and chin, read off the photograph by eye (pixels, eyes 43 apart)."""
    points = {468: (203.5, 101), 473: (247, 103.3), 62: (203.5, 140), 308: (245.5, 140), 4: (223, 126), 152: (223, 178)}
    write_video(tmp_path / "still.mp4", [portrait(SIZE)] * 4)
    landmarks = extract_landmarks(tmp_path / "still.mp4").landmarks[-1, list(points), :2] * SIZE
    to_image = photo_to_image(SIZE)
    expected = np.array(list(points.values())) @ to_image[:, :2].T + to_image[:, 2]
    np.testing.assert_allclose(landmarks, expected, atol=4 * to_image[0, 0])


def test_mouth_follows_the_smile(smile):
    """The mouth (62-308) to the eyes' distance (33-263), whatever the head does."""
    mouth = _width(smile.landmarks, 62, 308) / _width(smile.landmarks, 33, 263)
    rest, apex = mouth[:START].mean(), mouth[START + ONSET : START + ONSET + APEX]
    end = START + ONSET + APEX + OFFSET
    assert apex.min() > 1.2 * rest
    assert mouth[end:] == pytest.approx(rest, rel=0.05)
    steps = np.diff(mouth)
    onset, offset = steps[START : START + ONSET - 1], steps[end - OFFSET : end - 1]
    assert (onset > 0).mean() > 0.8
    assert (offset < 0).mean() > 0.8
    assert onset.sum() > 0.9 * (apex.mean() - rest)
    assert -offset.sum() > 0.9 * (apex.mean() - rest)


def test_on_frame_counts_up(smile_video):
    seen = []
    extract_landmarks(smile_video, on_frame=lambda done, promised: seen.append((done, promised)))
    assert seen == [(done, FRAMES) for done in range(1, FRAMES + 1)]


@pytest.mark.parametrize("kind", BAD)
def test_bad_video(bad, kind):
    path, pattern = bad[kind]
    with pytest.raises(UserError, match=pattern) as error:
        extract_landmarks(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_one_frame_with_a_second_face_is_a_false_alarm(tmp_path):
    face = portrait(SIZE)
    alone, both = np.hstack([face, np.zeros_like(face)]), np.hstack([face, face])
    write_video(tmp_path / "flash.mp4", [alone] * 5 + [both] + [alone] * 5)
    assert len(extract_landmarks(tmp_path / "flash.mp4").landmarks) == 11


def test_without_mediapipe_the_extra_is_named(smile_video, monkeypatch):
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    mesh.discard()  # it may be loaded already
    with pytest.raises(UserError, match=r"pip install .*\[extract\]"):
        extract_landmarks(smile_video)


def test_stderr_is_kept_from_native_chatter(smile_video, capfd):
    extract_landmarks(smile_video)
    print("still there", file=sys.stderr)
    assert capfd.readouterr().err == "still there\n"

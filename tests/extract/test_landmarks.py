"""Extraction of landmarks from videos of a real face, good and bad ones."""

import sys

import numpy as np
import pytest
from faces import photo_to_image, portrait, render_smile, smiling, write_video

from dfuse_jax.extract import mesh
from dfuse_jax.extract.landmarks import extract, extract_landmarks
from dfuse_jax.runtime.errors import UserError

FPS, SIZE, START, ONSET, APEX, OFFSET, FRAMES = 29.97, (480, 360), 10, 15, 20, 15, 70
SMALL = (320, 240)


@pytest.fixture(scope="session")
def smile_video(tmp_path_factory):
    path = tmp_path_factory.mktemp("smile") / "smile.mp4"
    render_smile(path, fps=FPS, size=SIZE, start=START, onset=ONSET, apex=APEX, offset=OFFSET, frames=FRAMES)
    return path


@pytest.fixture(scope="session")
def smile(smile_video):
    return extract_landmarks(smile_video)


def _width(landmarks, right, left):
    return np.linalg.norm((landmarks[:, left] - landmarks[:, right])[:, :2] * SIZE, axis=-1)


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


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Frames of a smile, and the landmarks of a video of them."""
    images = [image for image, _ in smiling(SMALL, frames=24, start=4, onset=6, apex=4, offset=6)]
    path = tmp_path_factory.mktemp("plain") / "plain.mp4"
    write_video(path, images)
    return images, extract_landmarks(path)


def _apart(a, b, size=SMALL):
    """Mean distance in pixels of two [T, 478, 3], the first frame (detected, not tracked) aside."""
    return np.linalg.norm((a - b)[1:, :, :2] * size, axis=-1).mean()


def test_grey_pictures(plain, tmp_path):
    images, colour = plain
    write_video(tmp_path / "grey.mkv", images, codec="ffv1", pixels="gray16le")
    assert _apart(extract_landmarks(tmp_path / "grey.mkv").landmarks, colour.landmarks) < 1.5


def test_large_pictures(tmp_path):
    """The same face as in a small picture."""
    write_video(tmp_path / "large.avi", [portrait((3840, 2160))] * 3)
    write_video(tmp_path / "small.avi", [portrait((640, 360))] * 3)
    large, small = (extract_landmarks(tmp_path / f"{name}.avi") for name in ("large", "small"))
    assert large.image_size == (3840, 2160)
    assert _apart(large.landmarks, small.landmarks, (640, 360)) < 1


def test_frames_at_varying_distances_are_put_where_they_belong(plain, tmp_path):
    """A camera that leaves out frames: what it took at 0, 1, 2, 4, 5, 7... lies there again, the rest between."""
    images, even = plain
    taken = [0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 20, 21, 22, 23]
    path = tmp_path / "varying.mp4"
    write_video(path, [images[t] for t in taken], times=np.array(taken) / 25)
    result = extract(path)
    assert (result.resampled, result.decoded, result.sample.fps) == (True, len(taken), 25)
    assert result.sample.interpolated == (7, 19)
    assert len(result.sample.landmarks) == 24
    assert _apart(result.sample.landmarks, even.landmarks) < 0.5
    unaware = even.landmarks[np.minimum(np.arange(24), len(taken) - 1)]  # the test's own check: shifted it is further
    assert _apart(result.sample.landmarks[2:], unaware[:-2]) > 0.5
    assert result.notes[0] == "its frames come at a varying rate; resampled to 25 a second."
    assert result.notes[1] == "2 of 24 frames are interpolated: it has no frame at their time."


def test_no_frames_for_a_while_is_an_error(plain, tmp_path):
    times = np.arange(24) / 25
    times[10:] += 0.76
    write_video(tmp_path / "frozen.mp4", plain[0], times=times)
    with pytest.raises(UserError, match=r"no frame for 0\.80 seconds, from 0\.36 on; up to 0\.25 are interpolated"):
        extract(tmp_path / "frozen.mp4")


def test_the_rate_of_slow_motion_can_be_given(plain, tmp_path):
    write_video(tmp_path / "slow.mp4", plain[0][:6], fps=25)
    result = extract(tmp_path / "slow.mp4", fps=200)
    assert (result.sample.fps, len(result.sample.landmarks), result.notes) == (200, 6, ())


def _hide(images, frames):
    return [np.full_like(image, 90) if t in frames else image for t, image in enumerate(images)]


def test_a_face_lost_for_a_few_frames_is_interpolated_and_flagged(plain, tmp_path):
    images, whole = plain
    write_video(tmp_path / "hidden.mp4", _hide(images, (9, 10)))
    result = extract(tmp_path / "hidden.mp4")
    assert result.lost == 2
    assert result.sample.interpolated == (9, 10)
    landmarks = result.sample.landmarks
    np.testing.assert_allclose(landmarks[9], (2 * landmarks[8] + landmarks[11]) / 3, atol=1e-6)
    np.testing.assert_array_equal(landmarks[:9], whole.landmarks[:9])
    assert result.notes == ("2 of 24 frames are interpolated: no face was found in them.",)


@pytest.mark.parametrize(
    ("hidden", "message"),
    [
        (range(24), r"no face found in any of its 24 frames.*at least a tenth as wide as the image"),
        ((3, 9, 17), r"no face found in 3 of its 24 frames, first in frame 3; up to 10% are interpolated"),
    ],
)
def test_a_face_lost_too_often_is_an_error(plain, tmp_path, hidden, message):
    write_video(tmp_path / "hidden.mp4", _hide(plain[0], hidden))
    with pytest.raises(UserError, match=message):
        extract(tmp_path / "hidden.mp4")


def test_a_face_lost_for_too_long_is_an_error(plain, tmp_path):
    write_video(tmp_path / "hidden.mp4", _hide(3 * plain[0], range(30, 37)))
    with pytest.raises(UserError, match=r"no face for 0\.32 seconds, from 1\.16 on; up to 0\.25 are interpolated"):
        extract(tmp_path / "hidden.mp4")


def test_no_recording_of_a_face_has_a_thousand_frames_a_second(tmp_path):
    write_video(tmp_path / "fast.mp4", [portrait(SMALL)] * 3, fps=1000)
    with pytest.raises(UserError, match=r"has 1000 frames per second.*Pass the true rate as fps"):
        extract(tmp_path / "fast.mp4")

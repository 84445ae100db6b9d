"""Samples, and the checks that all of them pass wherever they come from."""

import warnings

import numpy as np
import pytest
from layouts import make_sample, with_nan

from dfuse_jax import samples
from dfuse_jax.runtime.errors import UserError


def test_a_sample_is_read_as_it_was_written(tmp_path):
    for sample in (make_sample(), make_sample(label=None, subject=None)):
        samples.save(sample, tmp_path / "s.npz")
        back = samples.load(tmp_path / "s.npz")
        np.testing.assert_array_equal(back.landmarks, sample.landmarks)
        assert (back.name, back.fps, back.image_size, back.label, back.subject) == (
            sample.name,
            sample.fps,
            sample.image_size,
            sample.label,
            sample.subject,
        )
        assert back.aspect == 0.75


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"landmarks": with_nan(3, 77)}, "landmark 77 of frame 3 is NaN"),
        ({"landmarks": np.zeros((0, 478, 3))}, "no frames"),
        ({"landmarks": np.zeros((5, 468, 3))}, r"\(5, 468, 3\).*478"),
        ({"fps": 0.0}, "frame rate is 0.0"),
        ({"image_size": (0, 480)}, "image size"),
        ({"label": 2}, "label is 2"),
    ],
)
def test_a_bad_sample_is_named(changes, message):
    with pytest.raises(UserError, match=message):
        samples.validate(make_sample(**changes))


def test_a_damaged_sample_file_is_named(tmp_path):
    samples.save(make_sample(), tmp_path / "s.npz")
    whole = (tmp_path / "s.npz").read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"text"):
        (tmp_path / "bad.npz").write_bytes(content)
        with pytest.raises(UserError, match=r"bad\.npz: not a sample file"):
            samples.load(tmp_path / "bad.npz")
    with pytest.raises(UserError, match="no such file"):
        samples.load(tmp_path / "none.npz")


def changed(frame, landmark, axis, value, dtype=np.float32):
    landmarks = np.full((7, 478, 3), 0.5, dtype)
    landmarks[frame, landmark, axis] = value
    return landmarks


def without_face(*frames):
    landmarks = np.full((7, 478, 3), 0.5, np.float32)
    landmarks[list(frames)] = 0
    return landmarks


PIXELS = np.full((7, 478, 3), 0.5, np.float32) * (1920, 1080, 1920)


@pytest.mark.parametrize(
    ("landmarks", "message"),
    [
        (changed(0, 0, 0, 1043.2), "v: x of frame 0 is 1043.2: pixels\\? expected fractions of the image's width"),
        (changed(3, 5, 1, -12.5), "y of frame 3 is -12.5: pixels\\? expected fractions of the image's height"),
        (changed(6, 477, 2, 2.5), "z of frame 6 is 2.5: pixels\\? expected fractions of the image's width"),
        (PIXELS, "x of frame 0 is 960: pixels"),
        (PIXELS.astype(int), "x of frame 0 is 960: pixels"),
        (PIXELS.astype(np.uint16), "x of frame 0 is 960: pixels"),
        (without_face(*range(7)), "no face in 7 frames, first in frame 0"),
        (without_face(2, 5), "no face in 2 frames, first in frame 2"),
        (np.zeros((7, 478, 3), int), "no face in 7 frames"),
        (np.ones((7, 478, 3), int), "whole numbers \\(int64\\), expected fractions"),
        (np.ones((7, 478, 3), bool), "of type bool"),
        (np.full((7, 478, 3), 0.5 + 0j), "of type complex128"),
        (np.full((7, 478, 3), "0.5"), "of type <U3"),
        (np.full((7, 478, 3), 0.5, object), "of type object"),
    ],
)
def test_landmarks_that_are_no_fractions_of_the_image_are_refused(landmarks, message):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserError, match=message):
            samples.validate(make_sample(landmarks=landmarks))


def test_a_face_may_leave_the_image():
    """As MediaPipe has it: on crops of a portrait that cut the face, y came to lie between -0.42 and 1.47."""
    for dtype in (np.float16, np.float32, np.float64):
        for axis in range(3):
            for value in (-1, -0.42, 0, 1.47, 2):
                sample = make_sample(landmarks=changed(2, 7, axis, value, dtype))
                assert samples.validate(sample) is sample

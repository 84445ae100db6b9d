"""What cameras write: turned, grey, deep, odd, large pictures, frames at varying distances, faces lost for a while."""

import cv2
import numpy as np
import pytest
from faces import portrait, retime, smiling, turn, write_video

from dfuse_jax.extract.landmarks import extract, extract_landmarks
from dfuse_jax.extract.video import read_frames, rhythm
from dfuse_jax.runtime.errors import UserError

SIZE = (320, 240)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Frames of a smile, and the landmarks of a video of them."""
    images = [image for image, _ in smiling(SIZE, frames=24, start=4, onset=6, apex=4, offset=6)]
    path = tmp_path_factory.mktemp("plain") / "plain.mp4"
    write_video(path, images)
    return images, extract_landmarks(path)


def _apart(a, b, size=SIZE):
    """Mean distance in pixels of two [T, 478, 3], the first frame (detected, not tracked) aside."""
    return np.linalg.norm((a - b)[1:, :, :2] * size, axis=-1).mean()


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_the_rotation_that_the_file_asks_for(plain, tmp_path, quarters):
    images, upright = plain
    path = tmp_path / "phone.mp4"
    write_video(path, [np.rot90(image, quarters) for image in images])  # anticlockwise, and back when shown
    turn(path, quarters)
    sample = extract_landmarks(path)
    assert sample.image_size == SIZE
    assert _apart(sample.landmarks, upright.landmarks) < 1


def test_grey_and_16_bits(plain, tmp_path):
    images, colour = plain
    path = tmp_path / "deep.mkv"
    depth = [cv2.VIDEOWRITER_PROP_DEPTH, cv2.CV_16U, cv2.VIDEOWRITER_PROP_IS_COLOR, 0]
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"FFV1"), 25, SIZE, depth)
    for image in images:
        writer.write(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.uint16) * 257)
    writer.release()
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    assert int(capture.get(cv2.CAP_PROP_CODEC_PIXEL_FORMAT)).to_bytes(4, "little") == b"Y1\x00\x10"  # gray16le
    assert _apart(extract_landmarks(path).landmarks, colour.landmarks) < 1.5


def test_odd_sizes(tmp_path):
    path = tmp_path / "odd.avi"
    writer = cv2.VideoWriter(str(path), cv2.CAP_OPENCV_MJPEG, cv2.VideoWriter_fourcc(*"MJPG"), 25, (317, 241))
    for _ in range(4):
        writer.write(portrait((317, 241))[..., ::-1])
    writer.release()
    sample = extract_landmarks(path)
    assert sample.image_size == (317, 241)
    assert sample.landmarks.shape == (4, 478, 3)


def test_4k(tmp_path):
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
    write_video(path, [images[t] for t in taken])
    retime(path, [*np.diff(taken), 1])
    extraction = extract(path)
    assert extraction.resampled
    assert extraction.decoded == len(taken)
    assert extraction.sample.fps == pytest.approx(25)
    assert extraction.sample.interpolated == (7, 19)
    assert len(extraction.sample.landmarks) == 24
    assert _apart(extraction.sample.landmarks, even.landmarks) < 0.5
    unaware = even.landmarks[np.minimum(np.arange(24), len(taken) - 1)]  # the test's own check: shifted it is further
    assert _apart(extraction.sample.landmarks[2:], unaware[:-2]) > 0.5


def test_no_frames_for_a_while_is_an_error(plain, tmp_path):
    path = tmp_path / "frozen.mp4"
    write_video(path, plain[0])
    retime(path, [1] * 9 + [20] + [1] * 14)
    with pytest.raises(UserError, match=r"19 frames are missing, most after 0.36 seconds"):
        extract_landmarks(path)


def test_the_rate_of_frames_at_other_distances_than_the_container_says(tmp_path):
    path = tmp_path / "slow.mp4"
    write_video(path, [portrait(SIZE)] * 6)
    retime(path, [2] * 6)
    assert extract_landmarks(path).fps == pytest.approx(12.5, rel=1e-3)


def test_rhythm():
    ticks = np.array([0, 0.033, 0.067, 0.1, 0.133])  # milliseconds, as WebM and Matroska keep them
    fps, positions = rhythm(ticks, 29.97)
    assert fps == 29.97
    np.testing.assert_array_equal(positions, range(5))
    fps, positions = rhythm(np.array([0, 0.1, 0.2, 0.35, 0.4, 0.5]), 10)
    assert fps == pytest.approx(10)
    np.testing.assert_allclose(positions, [0, 1, 2, 3.5, 4, 5])
    np.testing.assert_array_equal(rhythm(np.zeros(3), 25)[1], range(3))  # the container knows no times


def test_a_face_lost_for_a_few_frames_is_interpolated_and_flagged(plain, tmp_path):
    images, whole = plain
    hidden = [np.full_like(image, 90) if t in (9, 10) else image for t, image in enumerate(images)]
    path = tmp_path / "hidden.mp4"
    write_video(path, hidden)
    extraction = extract(path)
    assert extraction.lost == 2
    assert extraction.sample.interpolated == (9, 10)
    landmarks = extraction.sample.landmarks
    np.testing.assert_allclose(landmarks[9], (2 * landmarks[8] + landmarks[11]) / 3, atol=1e-6)
    np.testing.assert_array_equal(landmarks[:9], whole.landmarks[:9])


def test_frames_are_read_one_by_one(tmp_path):
    """A long video is not held in memory."""
    path = tmp_path / "long.avi"
    write_video(path, [portrait(SIZE)] * 5)
    _, frames = read_frames(path)
    assert iter(frames) is frames

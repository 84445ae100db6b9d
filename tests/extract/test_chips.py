"""Chips: where the eyes come to lie, what is sampled between pixels, beyond the edge and where pictures shrink."""

import numpy as np
import pytest
from faces import write_video

from dfuse_jax.extract import chips, gaps

RIGHT, LEFT = chips.PLACES


def ramp(width, height):
    """An image whose red grows by 1 a column and whose green by 1 a row."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x, y, np.full_like(x, 77)], axis=-1).astype(np.uint8)


def test_eyes_where_a_chip_has_them_give_the_image_itself():
    image = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    difference = image.astype(int) - chips.align(image, chips.PLACES)
    assert difference.min() >= 0 and difference.max() <= 1  # the similarity is exact to a rounding error


def test_a_shift_by_whole_pixels_repeats_the_edge():
    image = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    chip = chips.align(image, chips.PLACES + np.array([5, -3]))
    expected = image[np.arange(-3, 125).clip(0)][:, np.arange(5, 133).clip(max=127)]
    assert np.abs(chip.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("angle", [0, 0.2, -0.5])
@pytest.mark.parametrize("zoom", [0.5, 0.8, 1, 1.3, 1.6])
def test_a_ramp_is_sampled_where_the_similarity_says(angle, zoom):
    """Bilinear sampling and means of squares leave a ramp as it is, whatever the transform."""
    image = ramp(240, 220)
    turn = zoom * np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    eyes = (chips.PLACES - 64) @ turn.T + (120, 110)
    chip = chips.align(image, eyes)
    y, x = np.mgrid[:128, :128] + 0.5
    expected = np.stack([x - 64, y - 64], axis=-1) @ turn.T + (120, 110) - 0.5
    inside = ((expected > 2) & (expected < (237, 217))).all(axis=-1)
    assert inside.mean() > 0.5
    below = (expected - chip[..., :2])[inside]
    assert below.min() >= -0.51 and below.max() <= 1.51  # means are rounded, and the chip is rounded down
    assert (chip[..., 2] == 77).all()


def test_shrinking_averages_what_a_pixel_covers():
    """A checkerboard of single pixels, four times as large as the chip, is grey."""
    y, x = np.mgrid[:512, :512]
    board = np.repeat((255 * ((x + y) % 2)).astype(np.uint8)[..., None], 3, axis=-1)
    assert np.abs(chips.align(board, 4 * chips.PLACES).astype(int) - 127.5).max() <= 1


def test_a_face_outside_the_image_gives_its_edge():
    image = ramp(40, 30)
    chip = chips.align(image, chips.PLACES + 1000)
    assert (chip == image[-1, -1]).all()


def test_eyes_are_the_middles_of_their_corners_smoothed_over_a_tenth_of_a_second():
    landmarks = np.zeros((20, 478, 3), np.float32)
    landmarks[:, [33, 133], 0] = 0.2, 0.3
    landmarks[:, [362, 263], 0] = 0.5, 0.6
    landmarks[7, :, 0] += 0.1  # a single wrong frame: the median drops it
    landmarks[12:, :, 1] = 0.1  # a step: the median keeps it, the mean of 3 frames makes it a ramp
    raw = chips.find_eyes(landmarks, (200, 100), 30, smooth=False)
    np.testing.assert_allclose(raw[0], [(50, 0), (110, 0)], atol=1e-4)
    np.testing.assert_allclose(raw[7], [(70, 0), (130, 0)], atol=1e-4)
    eyes = chips.find_eyes(landmarks, (200, 100), 30)
    np.testing.assert_allclose(eyes[..., 0], np.broadcast_to([50, 110], (20, 2)), atol=1e-4)
    np.testing.assert_allclose(eyes[9:15, 0, 1], [0, 0, 10 / 3, 20 / 3, 10, 10], atol=1e-4)
    np.testing.assert_array_equal(chips.find_eyes(landmarks, (200, 100), 5), chips.find_eyes(landmarks, (200, 100), 9))


def test_uneven_frames_are_shown_at_the_nearest_time():
    assert gaps.nearest(np.array([0, 1.2, 1.8, 4.0]), 5).tolist() == [0, 1, 2, 3, 3]


def test_chips_of_a_video_repeat_and_skip_frames_as_its_grid_does(tmp_path):
    grey = [np.full((64, 64, 3), level, np.uint8) for level in (10, 60, 110, 160, 210)]
    write_video(tmp_path / "grey.mkv", grey)
    source = chips.VideoChips(tmp_path / "grey.mkv", None, np.array([0, 2, 2, 4]), np.tile(chips.PLACES / 2, (4, 1, 1)))
    levels = np.stack(list(source)).reshape(4, -1)
    assert np.abs(levels - np.array([[10], [110], [110], [210]])).max() <= 1

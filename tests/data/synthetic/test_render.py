"""Drawn smiles: Attention Mesh finds the face and its smile in them, and pictures and chips show the same."""

import dataclasses

import numpy as np
import pytest

from dfuse_jax import dmarkers
from dfuse_jax.data import synthetic
from dfuse_jax.data.synthetic import render
from dfuse_jax.extract import chips

EYES_AND_LIPS = [33, 133, 362, 263, 159, 386, 61, 291, 13, 14, 1]


def smile(frames, seed=0):
    (sample,) = synthetic.generate(1, 1, seed=seed, frames=(frames, frames), fps=(25.0,))
    return dataclasses.replace(sample, image_size=(640, 360))


def check_is_found(sample, folder):
    """All frames, to a few per cent of the eyes' distance, and the smile of the lips."""
    from dfuse_jax.extract.landmarks import extract

    render.write_video(sample, folder / "smile.mkv")
    extraction = extract(folder / "smile.mkv")
    found = extraction.sample
    assert (extraction.lost, extraction.resampled, found.image_size, found.fps) == (0, False, (640, 360), 25.0)
    scale = np.array([640, 360])
    planted, seen = sample.landmarks[..., :2] * scale, found.landmarks[..., :2] * scale
    right, left = planted[:, [33, 133]].mean(axis=1), planted[:, [362, 263]].mean(axis=1)
    distance = np.linalg.norm(left - right, axis=1).mean()
    errors = np.linalg.norm(seen - planted, axis=-1) / distance
    assert errors[:, EYES_AND_LIPS].mean() < 0.04
    assert errors.mean() < 0.08  # the outline of the face is where Attention Mesh thinks best
    signals = [dmarkers.signals(s.landmarks, aspect=s.aspect).mean[2] for s in (sample, found)]
    assert np.corrcoef(signals)[0, 1] >= 0.95


def test_attention_mesh_finds_the_drawn_face_and_its_smile(tmp_path):
    check_is_found(smile(60), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 6))
def test_attention_mesh_finds_other_people_too(tmp_path, seed):
    check_is_found(smile(75, seed), tmp_path)


def test_the_same_sample_gives_the_same_pictures_and_another_person_others():
    sample = smile(3)
    one, again = list(render.frames(sample)), list(render.frames(sample))
    assert one[0].shape == (360, 640, 3) and one[0].dtype == np.uint8
    np.testing.assert_array_equal(one, again)
    other = next(render.frames(dataclasses.replace(sample, subject="002")))
    assert np.abs(one[0].astype(int) - other).mean() > 10


def test_chips_show_what_the_frames_show():
    """Drawn in the chip's own pixels they are less blurred; shifted by a pixel they fit worse."""
    sample = smile(3)
    eyes = chips.find_eyes(sample.landmarks, (640, 360), sample.fps)
    cut = np.stack([chips.align(frame, pair) for frame, pair in zip(render.frames(sample), eyes, strict=True)])
    drawn = sample.chips
    assert np.corrcoef(drawn.ravel(), cut.ravel())[0, 1] > 0.97
    difference = [np.abs(np.roll(drawn, shift, axis=2).astype(int) - cut)[:, :, 2:-2].mean() for shift in (-1, 0, 1)]
    assert difference[1] < 0.7 * min(difference[0], difference[2])


def test_the_texture_moves_with_the_skin():
    """A cheek that is shifted by two pixels shows the same spots two pixels on."""
    from skimage.registration import phase_cross_correlation

    sample = smile(1)
    moved = dataclasses.replace(sample, landmarks=sample.landmarks + np.float32([2 / 640, 0, 0]))
    (before,), (after,) = list(render.frames(sample)), list(render.frames(moved))
    x, y = (sample.landmarks[0, 50, :2] * (640, 360)).astype(int)
    cheek = slice(y - 12, y + 12), slice(x - 12, x + 12), 1
    shift, _, _ = phase_cross_correlation(after[cheek].astype(float), before[cheek].astype(float))
    assert shift.tolist() == [0, 2]

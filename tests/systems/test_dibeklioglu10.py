"""Dibeklioglu et al. 2010: the lids' angle in closed form, and what the features and movements hold."""

import dataclasses

import jax.numpy as jnp
import numpy as np

from dfuse_jax import dmarkers
from dfuse_jax.data import synthetic
from dfuse_jax.systems import dibeklioglu10


def test_the_angle_of_a_lid_in_closed_form():
    # Corners at -1 and 1, the lid at height h between them: the angle there is 2 atan(1 / h).
    points = np.zeros((1, 11, 3), np.float32)
    points[0, [0, 2]], points[0, [3, 5]] = ((-1, 0, 0), (1, 0, 0)), ((4, 0, 0), (6, 0, 0))
    points[0, 1], points[0, 4] = (0, -np.sqrt(3) / 2, 0), (5, -1 / 2, 0)  # in an image twice as high as wide
    right, left = dibeklioglu10.lid_angles(jnp.asarray(points), jnp.asarray(2.0))
    np.testing.assert_allclose([right[0], left[0]], [np.pi - 2 * np.arctan(1 / np.sqrt(3)), np.pi / 2], rtol=1e-5)


def test_eyelid_features_begin_with_the_d_markers_of_the_eye():
    samples = synthetic.generate(3, 2, seed=4)
    features = dibeklioglu10.lid_features(samples)
    expected = dmarkers.compute_batch(
        [sample.landmarks for sample in samples],
        [sample.fps for sample in samples],
        aspect=[sample.aspect for sample in samples],
        smoothing="4253H",
    )
    np.testing.assert_allclose(features[:, :75], expected[:, :75], rtol=1e-4, atol=1e-5)


def test_features_of_the_whole_video_hold_its_length_and_its_largest_values():
    samples = synthetic.generate(3, 2, seed=4)
    features = dibeklioglu10.lid_features(samples, segment="whole").reshape(3, 2, 25)
    movements = dibeklioglu10.lid_movements(samples)
    duration, largest = (dmarkers.VALUES.index(name) for name in ("duration", "amplitude_max"))
    seconds = [len(sample.landmarks) / sample.fps for sample in samples]
    np.testing.assert_allclose(features[:, :, duration], np.array(seconds)[:, None].repeat(2, 1), rtol=1e-5)
    np.testing.assert_allclose(features[:, :, largest], np.nanmax(movements, axis=1)[:, :2], rtol=1e-4)


def test_movements_are_the_smoothed_signals_and_their_speeds_and_end_with_the_video():
    short, long = sorted(synthetic.generate(3, 2, seed=4)[1:], key=lambda sample: len(sample.landmarks))
    short = dataclasses.replace(short, landmarks=short.landmarks[:40])
    movements = dibeklioglu10.lid_movements([short, long])
    eye = dmarkers.signals(short.landmarks, aspect=short.aspect, smoothing="4253H").mean[0]
    np.testing.assert_allclose(movements[0, :40, 0], eye, rtol=1e-4, atol=1e-5)
    speed = np.diff(movements[0, :40, :2], axis=0) * short.fps
    np.testing.assert_allclose(movements[0, 1:40, 2:], speed, rtol=1e-2, atol=1e-3)
    assert np.isnan(movements[0, 40:]).all() and len(movements[0]) == len(long.landmarks)

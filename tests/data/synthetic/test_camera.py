"""How a synthetic face gets into the file."""

import numpy as np
from landmarks import LEFT_EYE, RIGHT_EYE, distance

from dfuse_jax.data import synthetic
from dfuse_jax.data.synthetic import camera, muscles

NOSE_BRIDGE = 168


def test_head_moves_and_landmarks_jitter():
    turned, travelled, jitter = [], [], []
    for sample in synthetic.generate(100, 130):
        points = sample.landmarks * (1, sample.aspect, 1)
        eyes = points[:, 263] - points[:, 33]
        size = np.linalg.norm(eyes, axis=-1).mean()
        turned.append(np.ptp(np.degrees(np.arctan2(eyes[:, 2], eyes[:, 0]))))
        travelled.append(np.ptp(points[:, NOSE_BRIDGE, 0]) / size)
        # White noise of standard deviation s has third differences of standard deviation sqrt(20) s.
        shape = distance(sample, 10, NOSE_BRIDGE)
        jitter.append(np.diff(shape, 3).std() / np.sqrt(20))
    assert np.median(turned) > 3  # degrees of yaw
    assert np.median(travelled) > 0.05
    assert 0.0005 < np.median(jitter) < 0.005  # of the eye distance


def test_rotations_are_those_of_the_hand():
    """One quarter turn about each axis, x to the person's left, y down, z away from the camera."""
    quarter = np.pi / 2
    pitch, yaw, roll, none = camera.rotations(np.array([(quarter, 0, 0), (0, quarter, 0), (0, 0, quarter), (0, 0, 0)]))
    x, y, z = np.eye(3)
    expected = {"pitch": (x, -z, y), "yaw": (z, y, -x), "roll": (-y, x, z), "none": (x, y, z)}
    for matrix, axes in zip((pitch, yaw, roll, none), expected.values(), strict=True):
        for axis, turned in zip((x, y, z), axes, strict=True):
            np.testing.assert_allclose(axis @ matrix, turned, atol=1e-12)
    angles = np.random.default_rng(0).uniform(-3, 3, (20, 3))
    matrices = camera.rotations(angles)
    np.testing.assert_allclose(matrices @ matrices.swapaxes(1, 2), np.tile(np.eye(3), (20, 1, 1)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(matrices), 1)


def test_slow_curves_have_mean_square_1_and_are_slow():
    seconds = np.arange(4000) / 25
    curves = camera.slow_curves(np.random.default_rng(0), seconds, 50)
    assert curves.shape == (4000, 50)
    np.testing.assert_allclose((curves**2).mean(), 1, atol=0.05)
    # The steepest that three sines of amplitude sqrt(2 / 3) and periods of at least 2 seconds can be.
    assert np.abs(np.diff(curves, axis=0)).max() * 25 < 3 * np.sqrt(2 / 3) * np.pi


def test_the_camera_sees_the_face_at_its_place_and_size():
    """The face at rest, whatever the head does: means over many videos."""
    face = muscles.neutral_face()
    seen = camera.Camera(fps=25.0, image_size=(720, 576), eye_distance=0.12, place=np.array((0.35, 0.5)))
    middles, sizes = [], []
    for seed in range(200):
        points = camera.film(
            np.random.default_rng(seed), seen, np.tile(face, (10, 1, 1)), face=face, seconds=np.arange(10) / 25
        )
        assert points.dtype == np.float32
        middles.append(points.mean(axis=(0, 1)))
        metric = points * (1, 576 / 720, 1)
        eyes = metric[:, LEFT_EYE].mean(axis=1) - metric[:, RIGHT_EYE].mean(axis=1)
        sizes.append(np.linalg.norm(eyes, axis=-1).mean())
    np.testing.assert_allclose(np.mean(middles, axis=0), (0.35, 0.5, 0), atol=0.002)
    np.testing.assert_allclose(np.mean(sizes), 0.12, rtol=0.005)

"""The head pose: its angles, and that it is taken out of every feature."""

import hypothesis
import numpy as np
from hypothesis import strategies as st
from padded import close, compute
from sequences import SEEDS, SETTINGS, sequences
from smiles import FACE, rotation, smile

from dfuse_jax import dmarkers


def test_head_pose_is_the_angles_the_head_was_turned_by():
    turned = [FACE]
    for axis, angle in ((2, 20.0), (1, -15.0), (0, 10.0)):
        c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        i, j = [k for k in range(3) if k != axis]
        turn = np.eye(3)
        turn[i, i], turn[i, j], turn[j, i], turn[j, j] = c, -s, s, c
        turned.append(FACE @ turn.T)
    angles = np.asarray(dmarkers.head_pose(np.array(turned)))
    # Roll: left eye down. Yaw: the rotation in x-z by -15 brings the left eye to the camera. Pitch: by 10 in y-z moves
    # the chin (y > 0) away from the camera, so the face turns down.
    np.testing.assert_allclose(angles, [[0, 0, 0], [20, 0, 0], [0, -15, 0], [0, 0, -10]], atol=1e-3)


@SETTINGS
@hypothesis.given(sequences, SEEDS, st.booleans())
def test_turning_moving_and_scaling_the_head_changes_nothing(points, seed, constant):
    rng = np.random.default_rng(seed)
    frames = 1 if constant else len(points)
    turn = np.stack([rotation(rng) for _ in range(frames)])
    moved = rng.uniform(0.1, 10, (frames, 1, 1)) * (points @ turn) + rng.normal(size=(frames, 1, 3))
    close(compute(moved), compute(points))


@SETTINGS
@hypothesis.given(sequences, st.floats(0.3, 3))
def test_the_images_aspect_changes_nothing(points, aspect):
    image = points / np.array([1, aspect, 1])  # y as a fraction of the image's height
    close(compute(image, aspect=aspect), compute(points))


def test_a_nose_in_line_with_the_eyes_gives_no_pose_and_finite_features():
    points = smile([1, 1.2, 1.6, 1.5, 1.1])
    points[:, 8] = [0.45, 0.40, 0.0]
    assert np.isfinite(compute(points)).all()
    np.testing.assert_array_equal(dmarkers.signals(points).mean, 0)


def test_a_lost_frame_has_no_head_pose():
    points = smile([1, 1.2, 1.6, 1.5, 1.1])
    clean = np.asarray(dmarkers.head_pose(points))
    for value in (np.nan, np.inf):
        lost = points.copy()
        lost[2, 6, 0] = value  # a cheek, which the pose does not read
        angles = np.asarray(dmarkers.head_pose(lost))
        assert np.isnan(angles[2]).all()
        np.testing.assert_array_equal(np.delete(angles, 2, axis=0), np.delete(clean, 2, axis=0))
    lost[0] = np.nan
    roll, yaw, pitch = np.asarray(dmarkers.head_pose(lost)).T
    assert np.isnan(pitch).all()  # it is counted from frame 0
    np.testing.assert_array_equal(np.isnan([roll, yaw]), [[True, False, True, False, False]] * 2)

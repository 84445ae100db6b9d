"""Eye aperture, cheek elevation and lip corners."""

import hypothesis
import jax
import numpy as np
import pytest
from padded import close, compute, fast_to_compile, signals
from sequences import SETTINGS, sequences
from smiles import FACE, rough

from dfuse_jax import dmarkers

MIRROR = [5, 4, 3, 2, 1, 0, 7, 6, 8, 10, 9]  # p1 <-> p6, p2 <-> p5, p3 <-> p4, cheeks, nose, lip corners


def mirrored(points):
    return points[:, MIRROR] * np.array([-1, 1, 1])


@SETTINGS
@hypothesis.given(sequences)
def test_mirroring_swaps_left_and_right_and_scales_the_eyes_by_their_widths(points):
    seen, mirror = signals(points), signals(mirrored(points))
    for before, after in ((seen.right, mirror.left), (seen.left, mirror.right), (seen.mean, mirror.mean)):
        np.testing.assert_allclose(after[1:], before[1:], rtol=1e-9)
    # Eq. 6 measures both eyes by the right one, which is now the other.
    widths = [np.linalg.norm(points[:, a] - points[:, b], axis=-1) for a, b in ((0, 2), (3, 5))]
    np.testing.assert_allclose(mirror.mean[0], seen.mean[0] * widths[0] / widths[1], rtol=1e-9)
    close(compute(mirrored(points))[75:], compute(points)[75:])


@SETTINGS
@hypothesis.given(sequences)
def test_mirroring_a_face_with_eyes_of_one_width_changes_no_feature(points):
    points = points.copy()
    points[:, 5] = points[:, 3] + (points[:, 2] - points[:, 0])
    close(compute(mirrored(points)), compute(points))


def test_gradients_of_a_still_face_are_finite():
    still = np.tile(FACE, (5, 1, 1)).astype(np.float32)
    slope = np.asarray(fast_to_compile(jax.jacrev(lambda p: dmarkers.signals(p).mean.sum(axis=1)))(still))
    assert np.isfinite(slope).all()
    assert (np.abs(slope).max(axis=(1, 2, 3)) > 0.1).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("definition", ["paper", "authors"])
def test_a_frame_with_an_unusable_coordinate_has_no_signals(definition, value):
    points = rough(np.random.default_rng(0), 12, "smooth")
    clean = signals(points, definition=definition)
    for point in (0, 4, 7, 8, 9):  # of the eyes, a cheek, the nose, a lip corner: one of them takes the whole frame
        lost = points.copy()
        lost[5, point, 1] = value
        for side, expected in zip(signals(lost, definition=definition), clean, strict=True):
            assert np.isnan(side[:, 5]).all()
            np.testing.assert_array_equal(np.delete(side, 5, axis=1), np.delete(expected, 5, axis=1))


def test_a_lost_first_frame_takes_the_signals_that_refer_to_it():
    points = rough(np.random.default_rng(0), 12, "smooth")
    clean = signals(points).mean
    points[0] = np.nan
    eye, cheek, lip = signals(points).mean
    assert np.isnan(cheek).all() and np.isnan(lip).all()
    assert np.isnan(eye[0])
    np.testing.assert_array_equal(eye[1:], clean[0, 1:])


def test_smoothing_does_not_smooth_a_lost_frame_away():
    points = rough(np.random.default_rng(0), 30, "smooth")
    clean = signals(points, smoothing="4253H").mean
    points[15, 3] = np.nan
    smooth = signals(points, smoothing="4253H").mean
    assert np.isnan(smooth[:, 15]).all()
    reach = 14  # of two passes of medians of 4, 2, 5, 3 and Hanning
    np.testing.assert_array_equal(smooth[:, : 15 - reach], clean[:, : 15 - reach])
    np.testing.assert_array_equal(smooth[:, 15 + reach + 1 :], clean[:, 15 + reach + 1 :])


def test_an_aspect_that_is_not_positive_leaves_no_signals():
    points = rough(np.random.default_rng(0), 12, "smooth")
    for aspect in (np.nan, np.inf, 0.0, -1.0):
        assert np.isnan(signals(points, aspect=aspect).mean).all()
        assert np.isnan(dmarkers.head_pose(points, aspect=aspect)).all()
        np.testing.assert_array_equal(
            signals(points, aspect=aspect, definition="authors").mean, signals(points, definition="authors").mean
        )

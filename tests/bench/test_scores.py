"""Scores of stability, by hand-made numbers."""

import numpy as np
import pytest

from dfuse_jax.bench.scores import agreement, end_shifts, is_off, separation


def test_icc_of_shrout_and_fleiss():
    """Table 2 of Shrout & Fleiss 1979, six targets and four judges: ICC(2,1) = .29 (Table 4)."""
    ratings = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7.0]])
    both = agreement(np.stack([ratings, 3 * ratings + 2, np.ones_like(ratings)], axis=-1))
    assert both[0] == pytest.approx(0.29, abs=0.005)
    assert both[1] == pytest.approx(both[0])
    assert np.isnan(both[2])


def test_a_feature_is_off_when_it_moves_by_both_its_value_and_its_spread():
    deviation = np.array([1.0, 1.0, 1.0, 1.0])
    reference = np.array([1.0, 1.0, 0.1, 0.0])
    moved = np.array([1.09, 1.11, 0.14, 0.06])  # 9%; 11%; 40% but 4% of the spread; from 0 by 6% of the spread
    np.testing.assert_array_equal(is_off(moved, reference, deviation), [False, True, False, True])


def test_ends_of_the_apex_do_not_count_and_a_lost_phase_does():
    reference = np.array([[1, 2], [2, 8], [8, 9.0]])
    moved = np.array([[1.5, 2], [2, 7], [np.nan, np.nan]])
    np.testing.assert_allclose(end_shifts(moved, reference, 30.0), [0.5, 0, 30, 30])
    nothing = np.full((3, 2), np.nan)
    assert not end_shifts(nothing, nothing, 30.0).any()


def test_classes_are_separated_with_subjects_apart():
    pytest.importorskip("sklearn")
    rng = np.random.default_rng(0)
    labels = np.tile([0, 1], 100)
    subjects = np.repeat(np.arange(100), 2)
    apart = labels[:, None] + 0.01 * rng.normal(size=(200, 3))
    assert separation(apart, labels, subjects) == (1.0, 1.0)
    accuracy, area = separation(rng.normal(size=(200, 3)), labels, subjects)
    assert abs(accuracy - 0.5) < 0.15 and abs(area - 0.5) < 0.15

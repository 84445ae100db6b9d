"""Landmarks on an even grid of frames: interpolated where there is no face, or no frame, for a moment."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfuse_jax.extract import gaps


def _faces(values):
    return [None if value is None else np.full((478, 3), value, np.float32) for value in values]


@pytest.mark.parametrize(
    ("values", "expected", "interpolated"),
    [
        ([0, None, None, 6], [0, 2, 4, 6], (1, 2)),
        ([None, 1, 2, None], [1, 1, 2, 2], (0, 3)),  # held, not extrapolated
        ([5, 7], [5, 7], ()),
    ],
)
def test_filled_values(values, expected, interpolated):
    landmarks, flagged = gaps.fill(_faces(values), np.arange(len(values), dtype=float))
    np.testing.assert_allclose(landmarks[:, 0, 0], expected)
    assert flagged == interpolated


@given(st.lists(st.floats(0.5, 1.4), min_size=1, max_size=20), st.floats(-5, 5), st.floats(-5, 5))
def test_a_steady_movement_stays_steady_whenever_it_was_seen(steps, start, speed):
    positions = np.concatenate([[0], np.cumsum(steps)])
    landmarks, flagged = gaps.fill(_faces(start + speed * positions), positions)
    grid = np.arange(len(landmarks))
    assert len(landmarks) == np.floor(positions[-1] + 1e-6) + 1
    np.testing.assert_allclose(landmarks[:, 0, 0], start + speed * grid, atol=1e-3)
    assert set(flagged) <= {t for t in grid if np.abs(positions - t).min() > 0.5}


def test_how_many_may_be_filled_in():
    assert not gaps.too_many(range(10, 15), 50)
    assert gaps.too_many(range(10, 16), 100)  # six in a row
    assert gaps.too_many(range(0, 12, 2), 59)  # more than a tenth
    assert not gaps.too_many(range(0, 12, 2), 60)

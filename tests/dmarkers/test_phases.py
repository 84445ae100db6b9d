"""Onset, apex and offset in the lip signal."""

import jax.numpy as jnp
import numpy as np
import pytest

from dfuse_jax import dmarkers

FRAMES = 16  # all signals are padded to it, so that one program serves


def phases(lip, **options):
    """Returns the frames of onset, apex and offset as lists."""
    padded = np.append(np.asarray(lip, float), np.full(FRAMES - len(lip), np.nan))
    found = np.asarray(dmarkers.phases(padded, length=len(lip), **options))
    assert not found[:, len(lip) :].any()
    return [np.flatnonzero(phase).tolist() for phase in found]


@pytest.mark.parametrize(
    ("lip", "expected"),
    [
        ([1.0], ([], [], [])),
        ([1, 1, 1, 1], ([], [], [])),
        ([1, 2], ([0, 1], [], [])),
        ([2, 1], ([], [], [0, 1])),
        ([1, 2, 3, 4], ([0, 1, 2, 3], [], [])),
        ([1, 2, 2, 1], ([0, 1], [], [2, 3])),
        ([1, 2, 2, 2, 1], ([0, 1], [2], [3, 4])),
        ([1, 2, 1], ([0, 1], [], [1, 2])),  # the peak belongs to both runs
        ([2, 1, 1, 2], ([2, 3], [], [0, 1])),  # the fall comes first: no apex
        ([1, 2, 1, 2], ([0, 1], [], [1, 2])),  # the earliest of two longest rises
        ([1, 2, 1, 2, 3], ([2, 3, 4], [], [1, 2])),
        ([1, 2, 2, 3, 4, 1], ([3 - 1, 3, 4], [], [4, 5])),  # a tie ends a rise
    ],
)
def test_phases_worked_out_by_hand(lip, expected):
    assert phases(lip) == list(expected)
    moving = [*lip, 9.0, 10.0, 11.0, 12.0, 1.0, 0.0, -1.0, -2.0, -3.0, -4.0]  # beyond the length, where nothing counts
    padded = np.resize(moving, FRAMES)
    found = np.asarray(dmarkers.phases(padded, length=len(lip)))
    assert [np.flatnonzero(phase).tolist() for phase in found] == list(expected)


@pytest.mark.parametrize(
    ("lip", "expected"),
    [
        ([1, 2, 3], ([0, 1, 2], [], [])),  # a run that reaches the last frame takes nothing in
        ([1, 2, 3, 0, 0], ([0, 1, 2, 3], [], [2, 3, 4])),  # the fall ends the rise, the tie ends the fall
        ([1, 2, 0, 1, 2], ([0, 1, 2], [], [1, 2, 3])),  # with the frame that ends it the first rise is as long
    ],
)
def test_authors_phases_take_in_the_frame_that_ends_a_run(lip, expected):
    assert phases(lip, definition="authors") == list(expected)


def test_all_frames_count_without_a_length():
    found = np.asarray(dmarkers.phases(jnp.array([1.0, 2.0, 2.0, 1.0])))
    assert [np.flatnonzero(phase).tolist() for phase in found] == [[0, 1], [], [2, 3]]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("definition", ["paper", "authors"])
def test_a_signal_with_a_lost_frame_has_no_phases(definition, value):
    lip = [1, 2, 3, 3, 2, 1]
    for frame in range(len(lip)):
        lost = [*lip[:frame], value, *lip[frame + 1 :]]
        assert phases(lost, definition=definition) == [[], [], []]

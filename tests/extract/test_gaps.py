"""When frames were taken, and what is made of frames that are missing, have no face, or repeat a picture."""

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfuse_jax.extract import gaps


def _even(frames, rate, digits=9):
    return np.round(np.arange(frames) / rate, digits)


@pytest.mark.parametrize("rate", [12.5, 24000 / 1001, 25, 30000 / 1001, 50, 120])
@pytest.mark.parametrize("digits", [9, 3])  # milliseconds, as WebM and Matroska keep them
def test_evenly_spaced_frames_have_the_rate_that_the_file_names(rate, digits):
    rhythm = gaps.find_rhythm(7.5 + _even(900, rate, digits), [rate, 33.0])
    assert (rhythm.fps, rhythm.even, rhythm.source, rhythm.mistimed) == (rate, True, "times", 0)
    np.testing.assert_array_equal(rhythm.positions, np.arange(900))


def test_a_rate_that_the_times_contradict_is_not_taken():
    """30 frames a second instead of 29.97: half a frame off after 17 seconds."""
    rhythm = gaps.find_rhythm(_even(1800, 30000 / 1001), [30.0, 30000 / 1001])
    assert (rhythm.fps, rhythm.even) == (30000 / 1001, True)
    assert gaps.find_rhythm(_even(300, 12.5), [25.0]).fps == pytest.approx(12.5)
    assert gaps.find_rhythm(_even(300, 12.5), []).fps == pytest.approx(12.5)


def test_a_clock_that_trembles_is_even_as_long_as_it_does_not_drift():
    times = _even(200, 30) + np.random.default_rng(0).uniform(-0.012, 0.012, 200)
    assert gaps.find_rhythm(times, [30.0]).even
    assert not gaps.find_rhythm(times + np.linspace(0, 1, 200) ** 2 * 0.2, [30.0]).even


@pytest.mark.parametrize(("slow", "frames"), [(25, 79), (24, 80), (20, 89), (15, 107), (60 / 7, 159)])
def test_a_rate_that_drops_is_resampled_at_the_fast_one(slow, frames):
    """36 frames at 30 a second, 35 more at a slow rate: the grid ends with the last of them."""
    times = np.concatenate([np.arange(37) / 30, 1.2 + np.arange(1, 36) / slow])
    rhythm = gaps.find_rhythm(times, [30.0, 71 / times[-1]])
    assert (rhythm.fps, rhythm.even, rhythm.source) == (30, False, "times")
    np.testing.assert_allclose(rhythm.positions, 30 * times, atol=1e-9)
    landmarks, _ = gaps.fill(_faces(times), rhythm.positions)
    assert len(landmarks) == frames
    np.testing.assert_allclose(landmarks[:, 0, 0], np.minimum(np.arange(frames) / 30, times[-1]), atol=1e-6)


def test_one_frame_that_is_missing_is_noticed():
    """Not spread over the others, as a rate that is a little lower would do."""
    times = np.delete(_even(72, 30), 40)
    rhythm = gaps.find_rhythm(times, [30.0])
    assert (rhythm.fps, rhythm.even) == (30, False)
    np.testing.assert_allclose(rhythm.positions, np.delete(np.arange(72), 40), atol=1e-6)
    assert gaps.find_rhythm(times, [71 / times[-1]]).fps == pytest.approx(30)
    assert gaps.fill(_faces(times), rhythm.positions)[1] == (40,)


@pytest.mark.parametrize(
    ("frame", "wrong"),
    [
        *((0, 0.1), (0, 30.0), (0, np.nan)),
        *((1, 0.0), (1, 30.0), (1, np.nan)),
        *((20, 0.0), (20, 19 / 30), (20, 0.1), (20, 30.0), (20, np.nan)),
        *((71, 0.0), (71, 70 / 30), (71, np.nan)),
    ],
)
def test_one_wrong_time_is_replaced(frame, wrong):
    """It is repeated, goes back, runs ahead, or is missing, at the start, in the middle or at the end."""
    right = np.arange(72) / 30
    times = right.copy()
    times[frame] = wrong
    repaired, count = gaps.repair_times(times)
    assert count == 1
    np.testing.assert_allclose(repaired, right, atol=1e-9)


def test_times_that_are_repeated_now_and_then():
    right = _even(100, 25)
    times = right.copy()
    times[10:100:20] = times[9:99:20]
    repaired, count = gaps.repair_times(times)
    assert count == 5
    np.testing.assert_allclose(repaired, right, atol=1e-9)


def test_a_clock_that_was_set_back_goes_on():
    repaired, count = gaps.repair_times(np.tile(_even(50, 25), 3))
    assert count == 2
    np.testing.assert_allclose(repaired, _even(150, 25), atol=1e-9)


@pytest.mark.parametrize(
    "times",
    [np.zeros(30), np.full(30, np.nan), np.random.default_rng(0).permutation(30) / 25.0, np.array([1.0]), np.zeros(2)],
)
def test_useless_times(times):
    assert gaps.repair_times(times) == (None, 0)
    if len(times) > 1:
        assert gaps.find_rhythm(times, [30.0])[::2] == (30.0, "header")
        assert gaps.find_rhythm(times, [])[::2] == (25.0, "assumed")


def test_a_given_rate_counts_whatever_the_times_say():
    rhythm = gaps.find_rhythm(_even(50, 25), [25.0], fps=200)
    assert (rhythm.fps, rhythm.even, rhythm.source) == (200, True, "given")


def test_a_single_frame():
    rhythm = gaps.find_rhythm(np.array([3.0]), [30.0])
    assert (rhythm.fps, rhythm.even) == (30, True)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40))
def test_the_longest_rise_is_one_and_none_is_longer(values):
    rise = gaps._longest_rise(np.array(values, float))
    chosen = [values[index] for index in rise]
    assert all(a < b for a, b in itertools.pairwise(chosen))
    assert all(a < b for a, b in itertools.pairwise(rise))
    longest = [1] * len(values)  # the textbook's quadratic way
    for i, value in enumerate(values):
        longest[i] = 1 + max((longest[j] for j in range(i) if values[j] < value), default=0)
    assert len(rise) == max(longest)


def _faces(values):
    """[T, 478, 3], all coordinates of a frame the same; None: no face."""
    numbers = np.array([np.nan if value is None else value for value in values], np.float32)
    return np.tile(numbers[:, None, None], (1, 478, 3))


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
    assert landmarks.dtype == np.float32
    assert flagged == interpolated


@given(st.lists(st.floats(0.5, 1.4), min_size=1, max_size=20), st.floats(-5, 5), st.floats(-5, 5))
def test_a_steady_movement_stays_steady_whenever_it_was_seen(steps, start, speed):
    positions = np.concatenate([[0], np.cumsum(steps)])
    landmarks, flagged = gaps.fill(_faces(start + speed * positions), positions)
    grid = np.arange(len(landmarks))
    assert len(landmarks) == np.floor(positions[-1] + 0.1) + 1  # times are rounded
    expected = start + speed * np.minimum(grid, positions[-1])
    np.testing.assert_allclose(landmarks[:, 0, 0], expected, atol=1e-3)
    assert set(flagged) <= {t for t in grid if np.abs(positions - t).min() > 0.5}


def test_a_long_video_is_filled_without_a_copy():
    """An hour's landmarks are half a gigabyte: 4 copies of them made a worker too large."""
    landmarks = np.random.default_rng(0).random((2000, 478, 3), np.float32)
    landmarks[700:703] = np.nan
    tracemalloc.start()
    filled, flagged = gaps.fill(landmarks, np.arange(2000.0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert filled is landmarks
    assert flagged == (700, 701, 702)
    assert peak < 0.05 * landmarks.nbytes


def _gap(has_face, fps, positions=None):
    has_face = np.array(has_face, bool)
    return gaps.longest_gap(np.arange(float(len(has_face))) if positions is None else positions, has_face, fps)


def test_the_longest_gap():
    assert _gap([1, 1, 0, 0, 1, 0, 1], 10) == (pytest.approx(0.1), pytest.approx(0.3))
    assert _gap([0, 0, 1, 1], 10) == (0, pytest.approx(0.3))  # to the frame before the video
    assert _gap([1, 0, 0, 0], 10) == (0, pytest.approx(0.4))
    assert _gap([1, 1, 1], 4) == (0, 0.25)
    assert _gap([1, 1, 1], 30, np.array([0, 1, 13.0])) == (pytest.approx(1 / 30), pytest.approx(0.4))


def test_what_may_be_filled_in_is_judged_in_seconds():
    """Five frames in a row at 25 a second, as before; two frames in succession at any rate."""
    assert _gap([1, 0, 0, 0, 0, 0, 1], 25).length < gaps.max_gap(25) < _gap([1, 0, 0, 0, 0, 0, 0, 1], 25).length
    assert _gap([1, *[0] * 11, 1], 50).length < gaps.max_gap(50) < _gap([1, *[0] * 12, 1], 50).length
    assert _gap([1, 1], 2).length < gaps.max_gap(2) < _gap([1, 0, 1], 2).length


def _changes(rng, frames, repeated, scale=1.0):
    changes = scale * rng.uniform(0.5, 2, frames)
    changes[repeated] *= 0.03
    changes[0] = np.nan
    return changes


@pytest.mark.parametrize("every", [2, 3, 5, 10])
def test_repeated_pictures_are_found(every):
    """30 frames a second made of 15, 20, 24 and 27, in a scene that becomes quiet."""
    repeated = np.arange(every, 300, every)
    changes = _changes(np.random.default_rng(0), 300, repeated, np.linspace(5, 0.3, 300))
    np.testing.assert_array_equal(np.flatnonzero(gaps.find_repeated(changes)), repeated)


def test_pictures_that_differ_are_not_repeated():
    rng = np.random.default_rng(1)
    cut, flash = _changes(rng, 100, []), _changes(rng, 100, [])
    cut[50] = 60  # another scene
    flash[50], flash[52] = 60, 60
    for changes in (_changes(rng, 100, []), cut, flash, np.array([np.nan]), np.array([np.nan, 1])):
        assert not gaps.find_repeated(changes).any()


def test_a_picture_that_stands_still():
    assert gaps.find_repeated(np.array([np.nan, 0, 0, 0, 0])).tolist() == [False, True, True, True, True]

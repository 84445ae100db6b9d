"""When the frames of a video were taken, and what is missing: uneven times, frames without a face, repeated pictures.

Landmarks come out on an even grid of frames: interpolated where there is no face, or no frame, for a moment.
"""

import bisect
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

FPS_RANGE = (1, 500)  # a recording of a face; a broken header says 0, or its time base: 1000, 90000
ASSUMED_FPS = 25.0  # of a file that knows neither times nor a rate
MISTIMED = 0.1  # the share of a file's times that may be wrong for the others to be trusted
DRIFT = 0.5  # frames by which evenly spaced ones may be off an even grid, all steps together
MISSING = 1.5  # a step that is so many times as long as most lacks a frame
ALIKE, TICK = 0.1, 0.0011  # steps are alike that differ by less than this share, or by less than these seconds
END = 0.1  # frames by which the grid may reach beyond the last one: times are rounded, in some files to milliseconds
# A blink takes 0.1 to 0.4 s and a smile's onset about 0.5 s: what is lost for longer was not seen, and is not made up.
MAX_GAP = 0.25  # seconds between two frames with a face
MAX_LOST = 0.1  # the share of frames without a face
SAME = 0.2  # a repeated picture changes less than this share of what its neighbours do
NEIGHBOURS, LARGE = 5, 0.2  # to either side; the share of changes among which those of cuts are


class Rhythm(NamedTuple):
    """When the frames of a video were taken.

    Attributes:
        fps: frames per second of the even grid that they are put on.
        positions: [T], rising, where on the grid they are: 0, 1, 2... for evenly spaced ones, of which none is missing.
        source: where the rate comes from: "times" of the frames, the "header", "assumed" for want of both, or "given".
        mistimed: how many times were missing or went back, and were replaced.
    """

    fps: float
    positions: Float[np.ndarray, " frames"]
    source: str
    mistimed: int = 0

    @property
    def even(self) -> bool:
        """Whether each frame of the grid is one of the video."""
        return np.array_equal(self.positions, np.arange(len(self.positions)))


class Gap(NamedTuple):
    """A time without a face: where it starts and how long it is, in seconds."""

    start: float
    length: float


def find_rhythm(times: Float[np.ndarray, " frames"], rates: Sequence[float], *, fps: float | None = None) -> Rhythm:
    """Finds the frame rate and the frames' positions on its grid from the times at which they are shown.

    Args:
        times: [T] in seconds, NaN where a frame has none.
        rates: frames per second that the file names, the likeliest first; one is taken if the times do not contradict.
        fps: the true rate where the file does not know it; the times are ignored then.
    """
    even = np.arange(len(times), dtype=float)
    if fps is not None:
        return Rhythm(float(fps), even, "given")
    if len(times) == 1 and np.isfinite(times).all() and rates:
        return Rhythm(rates[0], even, "times")
    repaired, mistimed = repair_times(times)
    if repaired is None:
        return Rhythm(rates[0], even, "header") if rates else Rhythm(ASSUMED_FPS, even, "assumed")
    since_first = repaired - repaired[0]
    for rate in rates:
        if np.abs(since_first * rate - even).max() < DRIFT:
            return Rhythm(rate, even, "times", mistimed)
    steps = np.diff(since_first)
    period, start = np.polyfit(even, since_first, 1)
    if steps.max() < MISSING * np.median(steps) and np.abs((since_first - start) / period - even).max() < DRIFT:
        return Rhythm(float(1 / period), even, "times", mistimed)
    rate = _common_rate(steps, rates)
    return Rhythm(rate, since_first * rate, "times", mistimed)


def repair_times(times: Float[np.ndarray, " frames"]) -> tuple[Float[np.ndarray, " frames"] | None, int]:
    """Replaces times that are missing, repeated or out of order; returns them, and how many that were.

    Single wrong times are interpolated between the right ones. A clock that was set back goes on with a usual step.
    Where too few times make sense, there are none (None).
    """
    allowed = max(1, MISTIMED * len(times))
    known = np.flatnonzero(np.isfinite(times))
    rising = known[_longest_rise(times[known])]
    wrong = len(times) - len(rising)
    if len(rising) >= 2 and wrong <= allowed:
        return _interpolate(np.arange(len(times)), rising, times[rising]), wrong
    steps = np.diff(times)
    forward = steps > 0
    backward = int((~forward).sum())
    if len(known) < len(times) or not forward.any() or backward > allowed:
        return None, 0
    steps[~forward] = np.median(steps[forward])
    return times[0] + np.concatenate([[0], np.cumsum(steps)]), backward


def fill(
    landmarks: Float[np.ndarray, "frames 478 3"], positions: Float[np.ndarray, " frames"]
) -> tuple[Float[np.ndarray, "grid 478 3"], tuple[int, ...]]:
    """Interpolates landmarks on an even grid, linearly in time; those of the first and the last face are held.

    Args:
        landmarks: [T, 478, 3], NaN in frames without a face; one at least has one. Where the frames lie on the grid
            already, this array is completed and returned: those of a long video take hundreds of megabytes.
        positions: [T], rising, from 0: where on the grid they are; a frame that lies on it is not changed.

    Returns:
        [N, 478, 3], and the interpolated ones of the N frames: no face was found within half a frame of them.
    """
    has_face = ~np.isnan(landmarks[:, 0, 0])
    seen = np.flatnonzero(has_face)
    at = positions[seen]
    grid = np.arange(np.floor(positions[-1] + END) + 1)
    left = np.clip(np.searchsorted(at, grid, side="right") - 1, 0, None)
    right = np.minimum(left + 1, len(at) - 1)
    distance = at[right] - at[left]
    weight = np.clip((grid - at[left]) / np.where(distance > 0, distance, 1), 0, 1).astype(landmarks.dtype)
    if np.array_equal(positions, grid):
        filled, rows = landmarks, np.flatnonzero(~has_face)
    else:
        filled, rows = np.empty((len(grid), *landmarks.shape[1:]), landmarks.dtype), range(len(grid))
    for row in rows:
        before, after = landmarks[seen[left[row]]], landmarks[seen[right[row]]]
        filled[row] = before + weight[row] * (after - before)
    nearest = np.minimum(np.abs(grid - at[left]), np.abs(grid - at[right]))
    return filled, tuple(np.flatnonzero(nearest > 0.5 + 1e-6).tolist())


def nearest(positions: Float[np.ndarray, " frames"], count: int) -> Int[np.ndarray, " count"]:
    """Returns for each place of the grid, 0 to count - 1, the frame that is nearest to it; of two, the earlier one."""
    grid = np.arange(count)
    after = np.searchsorted(positions, grid).clip(0, len(positions) - 1)
    before = np.maximum(after - 1, 0)
    return np.where(grid - positions[before] <= positions[after] - grid, before, after)


def longest_gap(positions: Float[np.ndarray, " frames"], has_face: Bool[np.ndarray, " frames"], fps: float) -> Gap:
    """Returns the longest time between two frames with a face; the video is between two more of them.

    Args:
        positions: [T], of the frames on a grid.
        has_face: [T], whether a face was found in them; in one at least.
        fps: frames per second of the grid.
    """
    edges = np.concatenate([[-1], positions[has_face], [positions[-1] + 1]])
    steps = np.diff(edges)
    start = int(steps.argmax())
    return Gap(max(0.0, float(edges[start])) / fps, float(steps[start]) / fps)


def max_gap(fps: float) -> float:
    """Returns how many seconds may lie between two frames with a face: MAX_GAP, but any two frames in succession."""
    return max(MAX_GAP, 1.5 / fps)


def find_repeated(changes: Float[np.ndarray, " frames"]) -> Bool[np.ndarray, " frames"]:
    """Tells which pictures repeat the one before, as a conversion to more frames per second makes them.

    After lossy coding a repeated picture is not quite the same, and in a quiet scene two pictures hardly differ. So a
    change is compared with the second largest of its neighbours, or, as cuts and flashes are larger than any movement,
    with one that a fifth of all exceed, if that is smaller. Of the clips at hand it tells 14 to 21% of the frames in
    conversions from 24 to 30 a second (truth: 20%), and up to 1% in originals.

    Args:
        changes: [T], mean absolute differences of the pictures from the ones before, NaN for the first.
    """
    repeated = np.zeros(len(changes), bool)
    movement = np.quantile(changes[1:], 1 - LARGE) if len(changes) > 1 else 0
    for frame in range(1, len(changes)):
        around = np.delete(changes[max(1, frame - NEIGHBOURS) : frame + NEIGHBOURS + 1], min(frame - 1, NEIGHBOURS))
        if len(around) > 1:
            repeated[frame] = changes[frame] <= SAME * min(np.sort(around)[-2], movement)
    return repeated


def _longest_rise(values: np.ndarray) -> Int[np.ndarray, " rising"]:
    """Returns the indices of the longest strictly rising subsequence; of equal values, the first (patience sorting)."""
    tails: list[float] = []  # the least last value of a rising subsequence of each length
    ends: list[int] = []  # where that value is
    previous = np.full(len(values), -1)
    for index, value in enumerate(values.tolist()):
        length = bisect.bisect_left(tails, value)
        if length < len(tails) and tails[length] == value:
            continue
        previous[index] = ends[length - 1] if length else -1
        tails[length : length + 1] = [value]
        ends[length : length + 1] = [index]
    rise = [ends[-1]] if ends else []
    while rise and previous[rise[-1]] >= 0:
        rise.append(int(previous[rise[-1]]))
    return np.array(rise[::-1], int)


def _interpolate(at: np.ndarray, known: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Interpolates linearly, and extrapolates by the median step."""
    step = np.median(np.diff(values) / np.diff(known))
    inside = np.interp(at, known, values)
    return inside + step * (np.minimum(at - known[0], 0) + np.maximum(at - known[-1], 0))


def _common_rate(steps: np.ndarray, rates: Sequence[float]) -> float:
    """Returns the rate of a third of the frames or more, of several the fastest: no frame of those is lost.

    Where the file names a rate as good as that, or it is nearly a whole number, that one.
    """
    short = np.quantile(steps, 1 / 3)
    rate = 1 / steps[np.abs(steps - short) <= max(ALIKE * short, TICK)].mean()
    near = [known for known in (*rates, round(rate)) if known and abs(known / rate - 1) < 0.005]
    return float(min(near, key=lambda known: abs(known - rate), default=rate))

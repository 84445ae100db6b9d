"""The definition `robust` frame by frame in plain Python and NumPy, in float64: slow, and easy to check by eye.

It was written from the text of the definition; of the JAX code it shares nothing. Lines are fitted by direct sums, and
crossings of levels are found frame by frame. A point is p[1] to p[11], numbered as in the paper's Table 1.
"""

import math

import numpy as np

from dfuse_jax.bench.oracles.loops import DOWN, length, posed, ratio, signals

SCALE = 0.1  # s
STILL = 0.2  # 1/s
LOW, HIGH = 0.2, 0.8
LEAST, LEAST_SHARE = 0.02, 0.25


def features(landmarks, fps, aspect=1.0):
    """Computes 225 numbers from one sequence [T, 11, 3]."""
    sides = robust_signals(landmarks, aspect)
    lines = {}
    for region, (right, left) in sides.items():
        d, v = fitted([(x + y) / 2 for x, y in zip(right, left, strict=True)], fps)
        _, a = fitted(v, fps)
        lines[region] = (d, v, a)
    intervals = phases(lines["lip"][0])
    values = []
    for region in ("eye", "cheek", "lip"):
        difference = [left - right for right, left in zip(*sides[region], strict=True)]
        for interval in intervals:
            values += table(lines[region], difference, interval, fps) if interval else [0.0] * 25
    return np.array(values)


def robust_signals(landmarks, aspect=1.0):
    """Returns {region: (right, left)}, each a list of T numbers: those of `paper`, with another eye."""
    sides = signals(landmarks, aspect)
    eyes = ([], [])
    for frame in landmarks:
        p = posed(frame, aspect)
        for side, (outer, lid, inner) in enumerate([(1, 2, 3), (6, 5, 4)]):
            height = -DOWN @ (p[lid] - (p[outer] + p[inner]) / 2)
            eyes[side].append(ratio(height, length(p[inner] - p[outer])))
    return {**sides, "eye": eyes}


def fitted(values, fps):
    """Returns value and slope (per second) of the weighted line around every frame."""
    heights, slopes = [], []
    for t in range(len(values)):
        times = [(s - t) / fps for s in range(len(values))]
        weights = [math.exp(-0.5 * (x / SCALE) ** 2) for x in times]
        total = sum(weights)
        time = sum(g * x for g, x in zip(weights, times, strict=True)) / total
        height = sum(g * y for g, y in zip(weights, values, strict=True)) / total
        spread = sum(g * (x - time) ** 2 for g, x in zip(weights, times, strict=True))
        if total * spread / SCALE**2 <= 1e-4:  # one frame has all the weight
            heights.append(values[t])
            slopes.append(0.0)
            continue
        pairs = zip(weights, times, values, strict=True)
        slope = sum(g * (x - time) * (y - height) for g, x, y in pairs) / spread
        heights.append(height - slope * time)
        slopes.append(slope)
    return heights, slopes


def phases(lip):
    """Returns (begin, end) of onset, apex and offset in frames, None for a phase that does not exist."""
    rises = [lip[t] - min(lip[: t + 1]) for t in range(len(lip))]
    falls = [lip[t] - min(lip[t:]) for t in range(len(lip))]
    both = [rise + fall for rise, fall in zip(rises, falls, strict=True)]
    peak = both.index(max(both))
    rise, fall = rises[peak], falls[peak]
    least = max(LEAST, LEAST_SHARE * max(rise, fall))
    onset = passage(lip[: peak + 1], rise) if rise >= least else None
    offset = None
    if fall >= least:
        start, stop = passage(lip[peak:][::-1], fall)
        offset = len(lip) - 1 - stop, len(lip) - 1 - start
    return onset, (onset[1], offset[0]) if onset and offset else None, offset


def passage(values, rise):
    """Returns where the values last pass LOW before their end, the peak, and where they first reach HIGH after that."""
    low, high = (values[-1] - (1 - share) * rise for share in (LOW, HIGH))
    t = max(t for t in range(len(values)) if values[t] < low)
    # From t on, the lowest value that is still to come passes the level between t and t + 1.
    begin = t + (low - values[t]) / (min(values[t + 1 :]) - values[t])
    stop = next(s for s in range(t + 1, len(values)) if values[s] >= high)
    before = max(min(values[t], low), *values[t + 1 : stop]) if stop > t + 1 else min(values[t], low)
    return begin, max(begin, stop - 1 + (high - before) / (values[stop] - before))


def table(lines, difference, interval, fps):
    """Returns the 25 values of one phase from D, V and A, D_L - D_R, and where the phase begins and ends."""
    d, v, a = lines
    begin, end = interval
    weights = [max(0.0, min(1.0, min(t + 0.5, end) - max(t - 0.5, begin))) / fps for t in range(len(d))]
    inside = [t for t in range(len(d)) if begin <= t <= end]

    def size(x, still):
        return math.sqrt(x * x + still * still)

    def most(values):
        return max([*(values[t] for t in inside), at(values, begin), at(values, end)])

    def integral(values):
        return sum(w * x for w, x in zip(weights, values, strict=True))

    def mean_in(members, values):
        return ratio(integral([m * x for m, x in zip(members, values, strict=True)]), integral(members))

    up, down = ([0.5 * (1 + sign * x / size(x, STILL)) for x in v] for sign in (1, -1))
    v_up, v_down = ([0.5 * (size(x, STILL) + sign * x) for x in v] for sign in (1, -1))
    still = STILL / SCALE
    gain, loss = ([0.5 * (1 + sign * x / size(x, still)) for x in a] for sign in (1, -1))
    a_gain, a_loss = ([0.5 * (size(x, still) + sign * x) for x in a] for sign in (1, -1))
    ones, heights = [1.0] * len(d), [abs(x) for x in d]
    seconds = (end - begin) / fps
    mean = mean_in(ones, d)
    rose = integral([m * x for m, x in zip(up, d, strict=True)])
    sank = integral([m * x for m, x in zip(down, heights, strict=True)])
    return [
        integral(up),
        integral(down),
        seconds,
        ratio(integral(up), seconds),
        ratio(integral(down), seconds),
        most(d),
        mean,
        mean_in(up, d),
        mean_in(down, heights),
        math.sqrt(mean_in(ones, [(x - mean) ** 2 for x in d])),
        rose,
        sank,
        rose - sank,
        ratio(rose, rose + sank),
        ratio(sank, rose + sank),
        most(v_up),
        most(v_down),
        mean_in(up, v_up),
        mean_in(down, v_down),
        most(a_gain),
        most(a_loss),
        mean_in(gain, a_gain),
        mean_in(loss, a_loss),
        ratio(rose - sank, seconds),
        ratio(abs(integral(difference)), seconds),
    ]


def at(values, position):
    """Returns the value between two frames."""
    t = min(int(position), len(values) - 1)
    return values[t] + (position - t) * (values[min(t + 1, len(values) - 1)] - values[t])

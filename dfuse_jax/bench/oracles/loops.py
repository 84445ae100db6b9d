"""The definition `paper` frame by frame in plain Python and NumPy, in float64: slow, and easy to check by eye.

It was written from the text of the definition before the JAX code was read; the two share nothing. A point is p[1]
to p[11], numbered as in the paper's Table 1.
"""

import math
import statistics

import numpy as np


def features(landmarks, fps, aspect=1.0, smoothing=None):
    """Computes 225 numbers from one sequence [T, 11, 3]."""
    sides = signals(landmarks, aspect)
    means = {name: [(right + left) / 2 for right, left in zip(*sides[name], strict=True)] for name in sides}
    if smoothing:  # of the three signals, not of their sides
        means = {name: smoothed(means[name]) for name in means}
    values = []
    for region in ("eye", "cheek", "lip"):
        for frames in phases(means["lip"]):
            right, left = sides[region]
            values += table(
                [means[region][t] for t in frames], [right[t] for t in frames], [left[t] for t in frames], fps
            )
    return np.array(values)


def posed(frame, aspect):
    """Returns {number: point} of one frame, its pose, place and size taken out. A head without a pose shrinks to 0."""
    p = {i + 1: np.array([x, y * aspect, z], float) for i, (x, y, z) in enumerate(frame)}
    right, left = (p[1] + p[3]) / 2, (p[4] + p[6]) / 2
    middle, across = (right + left) / 2, left - right
    if not length(across) > 0:
        return dict.fromkeys(p, np.zeros(3))
    e_x = across / length(across)
    normal = np.cross(e_x, p[9] - middle)
    if not length(normal) > 0:
        return dict.fromkeys(p, np.zeros(3))
    e_z = normal / length(normal)
    e_y = np.cross(e_z, e_x)
    scale = 100 / length(across)
    return {i: np.array([e_x @ (q - middle), e_y @ (q - middle), e_z @ (q - middle)]) * scale for i, q in p.items()}


# Down the face in the axes of `posed`: tau = 46.9 degrees from e_y, which runs to the nose tip, towards e_z.
TAU = math.radians(46.9)
DOWN = np.array([0.0, math.cos(TAU), math.sin(TAU)])


def length(vector):
    return math.sqrt(sum(float(v) ** 2 for v in vector))


def signals(landmarks, aspect=1.0):
    """Returns {region: (right, left)}, each a list of T numbers (equations 5 to 7)."""
    frames = [posed(frame, aspect) for frame in landmarks]
    first = frames[0]
    lips = (first[10] + first[11]) / 2
    cheeks = (first[7] + first[8]) / 2
    sides = {"eye": ([], []), "cheek": ([], []), "lip": ([], [])}
    for p in frames:
        for side, (outer, lid, inner) in enumerate([(1, 2, 3), (4, 5, 6)]):
            centre = (p[outer] + p[inner]) / 2
            sign = -1 if DOWN @ (p[lid] - centre) > 0 else 1
            sides["eye"][side].append(ratio(sign * length(centre - p[lid]), length(p[1] - p[3])))
        for side, cheek in enumerate([7, 8]):
            sides["cheek"][side].append(ratio(length(cheeks - p[cheek]), length(first[7] - first[8])))
        for side, corner in enumerate([10, 11]):
            sides["lip"][side].append(ratio(length(lips - p[corner]), length(first[10] - first[11])))
    return sides


def phases(lip):
    """Returns the frame numbers (from 0) of onset, apex and offset."""
    onset = longest_run(lip, lambda before, now: now > before)
    offset = longest_run(lip, lambda before, now: now < before)
    apex = [t for t in range(len(lip)) if onset[-1] < t < offset[0]] if onset and offset else []
    return onset, apex, offset


def longest_run(values, moves):
    """Returns the longest list of neighbouring frames in which each but the first moves on from the one before."""
    best, run = [], [0]
    for t in range(1, len(values)):
        run = [*run, t] if moves(values[t - 1], values[t]) else [t]
        if len(run) > max(len(best), 1):
            best = run
    return best


def table(d, right, left, w):
    """Returns the 25 values of one phase from D, D_R and D_L of its frames."""
    n = len(d)
    v = {t: w * (d[t] - d[t - 1]) for t in range(1, n)}
    a = {t: w * (v[t] - v[t - 1]) for t in range(2, n)}
    up, down = [d[t] for t in v if v[t] > 0], [abs(d[t]) for t in v if v[t] < 0]
    v_up, v_down = [x for x in v.values() if x > 0], [-x for x in v.values() if x < 0]
    a_up, a_down = [x for x in a.values() if x > 0], [-x for x in a.values() if x < 0]
    total = sum(up) + sum(down)
    return [
        len(up) / w,
        len(down) / w,
        n / w,
        ratio(len(up), n),
        ratio(len(down), n),
        largest(d),
        mean(d),
        mean(up),
        mean(down),
        math.sqrt(mean([(x - mean(d)) ** 2 for x in d])),
        sum(up),
        sum(down),
        sum(up) - sum(down),
        ratio(sum(up), total),
        ratio(sum(down), total),
        largest(v_up),
        largest(v_down),
        mean(v_up),
        mean(v_down),
        largest(a_up),
        largest(a_down),
        mean(a_up),
        mean(a_down),
        ratio((sum(up) - sum(down)) * w, n),
        ratio(abs(sum(left) - sum(right)), n),
    ]


def ratio(numerator, denominator):
    return numerator / denominator if denominator > 0 else 0.0


def largest(values):
    return max(values) if values else 0.0


def mean(values):
    return sum(values) / len(values) if values else 0.0


def smoothed(values):
    """Computes 4253H, twice (Velleman & Hoaglin 1981, chapter 6): the smoothed residuals are added to the smooth."""
    smooth = once(values)
    return [s + r for s, r in zip(smooth, once([v - s for v, s in zip(values, smooth, strict=True)]), strict=True)]


def once(y):
    """Computes 4253H: each smoother shortens near the ends to the span that fits; the two end values are copied."""
    n = len(y)
    if n == 1:
        return list(y)
    # Medians of 4 fall between two frames: z[i] between frames i - 1 and i; the outermost are the end values.
    z = [
        y[0],
        *(statistics.median(y[i - 2 : i + 2] if 1 < i < n - 1 else y[i - 1 : i + 1]) for i in range(1, n)),
        y[-1],
    ]
    # Medians (means) of 2 bring them back onto the frames.
    y = [y[0], *((z[i] + z[i + 1]) / 2 for i in range(1, n - 1)), y[-1]]
    for reach in (2, 1):  # spans of 5 and 3
        y = [statistics.median(y[i - k : i + k + 1]) for i in range(n) for k in [min(reach, i, n - 1 - i)]]
    # Hanning, 1/4, 1/2, 1/4, so written that equal values stay exactly equal.
    return [y[0], *(((y[i - 1] + y[i + 1]) / 2 + y[i]) / 2 for i in range(1, n - 1)), y[-1]]

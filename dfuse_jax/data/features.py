"""D-Markers of all samples, before training: whole videos, one jitted call."""

import functools
from collections.abc import Sequence

import jax
import numpy as np

from dfuse_jax import dmarkers
from dfuse_jax.samples import Sample, scale


def pad(samples: Sequence[Sample], *, scaled: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Table 1's points of all samples [V, longest, 11, 3], zeros after each one's end, and their lengths [V]."""
    length = np.array([len(s.landmarks) for s in samples])
    longest = -(-length.max() // 64) * 64  # rounded up, so that other videos share what is compiled
    points = np.zeros((len(samples), longest, 11, 3), np.float32)
    for row, sample in zip(points, samples, strict=True):
        chosen = sample.landmarks[:, list(dmarkers.LANDMARKS)]
        row[: len(chosen)] = scale(chosen) if scaled else chosen
    return points, length


def compute(samples: Sequence[Sample], *, definition: str = "paper", smoothing: str | None = None) -> np.ndarray:
    """D-Markers [V, 225] of whole videos; the options are those of `dmarkers.compute`."""
    # The published definition reads the network's scaled coordinates, the paper's MediaPipe's own.
    points, length = pad(samples, scaled=definition == "authors")
    fps = np.array([s.fps for s in samples], np.float32)
    aspect = np.array([s.aspect for s in samples], np.float32)
    one = functools.partial(dmarkers.compute, definition=definition, smoothing=smoothing)
    every = jax.jit(jax.vmap(lambda points, fps, length, aspect: one(points, fps, length=length, aspect=aspect)))
    return np.asarray(every(points, fps, length, aspect))

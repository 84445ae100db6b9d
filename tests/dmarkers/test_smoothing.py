"""4253H, twice."""

import jax
import numpy as np
import pytest
from smiles import precision

from dfuse_jax.bench.oracles import loops
from dfuse_jax.dmarkers._smoothing import smooth_4253h_twice

FRAMES = 32
smooth = jax.jit(smooth_4253h_twice)


def smoothed(x, padding=(np.nan,)):
    """Returns the smoothed signal, computed with these values after its end."""
    padded = np.append(np.asarray(x, float), np.resize(padding, FRAMES - len(x)))
    with precision(True):
        return np.asarray(smooth(padded, len(x)))[: len(x)]


def test_smoothing_keeps_what_is_smooth_and_removes_a_spike():
    ramp = np.arange(12.0)
    np.testing.assert_allclose(smoothed(ramp), ramp, atol=1e-12)
    np.testing.assert_allclose(smoothed(np.full(9, 3.0)), 3)
    spike = np.zeros(15)
    spike[7] = 5
    np.testing.assert_array_equal(smoothed(spike), 0)
    spike[8] = -3  # and two at once
    np.testing.assert_array_equal(smoothed(spike), 0)


def test_smoothing_worked_out_by_hand():
    # 0 4 0 0. 4: medians between frames 2 | 0 | 0, ends 0 and 0; 2: 0 1 0 0; 5 (shortened to 3): 0 0 0 0; 3 and H: 0.
    np.testing.assert_allclose(smoothed([0.0, 4, 0, 0]), 0, atol=1e-15)
    # 0 0 8 8. Between frames: 0 | 4 | 8; 2: 0 2 6 8; 3: the same; H: 0 2.5 5.5 8. Left over: 0 -2.5 2.5 0; between
    # frames: -1.25 | 0 | 1.25; 2: 0 -0.625 0.625 0; 3: 0 0 0 0. Nothing is added back.
    np.testing.assert_allclose(smoothed([0.0, 0, 8, 8]), [0, 2.5, 5.5, 8])


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 6, 7, 8, 30, FRAMES])
def test_smoothing_agrees_with_the_slow_reading_at_every_length(frames):
    for seed in range(20):
        x = np.random.default_rng(seed).normal(size=frames).round(1)  # with ties
        np.testing.assert_allclose(smoothed(x), loops.smoothed(list(x)), atol=1e-12)
        np.testing.assert_array_equal(smoothed(x, padding=(1e6, -1e6, 3)), smoothed(x))

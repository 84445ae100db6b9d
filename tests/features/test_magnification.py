"""Eulerian magnification: nothing at 0, a slow wave is made larger, a fast one and the mean are not."""

import numpy as np
import pytest

from dfuse_jax.features import magnify

FPS, FRAMES = 25, 100


def wave(hertz, amplitude=2.0):
    """A smooth picture whose brightness swings."""
    y, x = np.mgrid[:32, :48]
    pattern = np.cos(2 * np.pi * x / 48) * np.cos(2 * np.pi * y / 32)
    return 100 + amplitude * np.sin(2 * np.pi * hertz * np.arange(FRAMES) / FPS)[:, None, None] * pattern


def test_nothing_is_added_at_alpha_0():
    video = np.random.default_rng(0).normal(size=(FRAMES, 16, 16)).astype(np.float32)
    np.testing.assert_array_equal(magnify(video, FPS, alpha=0.0), video)


def test_a_wave_in_the_band_comes_out_1_plus_alpha_as_large():
    """But for what the pyramid's filter, used twice along each axis, takes: cos(omega / 2)^4 a time."""
    before, after = wave(1.0), np.asarray(magnify(wave(1.0), FPS, alpha=10.0))
    passed = np.cos(np.pi / 48) ** 8 * np.cos(np.pi / 32) ** 8
    assert passed > 0.94
    middle = slice(None), slice(8, 24), slice(12, 36)
    np.testing.assert_allclose(after[middle] - before[middle], 10 * passed * (before[middle] - 100), atol=0.05)


@pytest.mark.parametrize("hertz", [0.25, 5.0])
def test_waves_outside_the_band_stay(hertz):
    np.testing.assert_allclose(magnify(wave(hertz), FPS), wave(hertz), atol=1e-3)


def test_the_finest_detail_stays():
    y, x = np.mgrid[:32, :32]
    video = ((-1) ** (x + y)) * np.sin(2 * np.pi * np.arange(FRAMES) / FPS)[:, None, None]
    np.testing.assert_allclose(magnify(video, FPS)[:, 4:-4, 4:-4], video[:, 4:-4, 4:-4], atol=1e-4)


def test_short_and_still_videos_have_no_nan():
    for frames in (1, 2):
        assert np.isfinite(magnify(np.full((frames, 8, 8), 3.0), FPS)).all()
    with pytest.raises(ValueError, match="with even sides"):
        magnify(np.zeros((5, 7, 8)), FPS)

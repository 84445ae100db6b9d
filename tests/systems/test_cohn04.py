"""Cohn and Schmidt 2004: closed forms and invariances of the onset's timing."""

import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from dfuse_jax.data import synthetic
from dfuse_jax.systems import cohn04


def test_timing_of_a_ramp_of_known_slope():
    frames, fps, slope = 40, 25.0, 0.5
    lip = 0.5 + slope * np.clip(np.arange(frames) - 10, 0, 15) / fps
    amplitude, duration, mean, peak = cohn04.timing(jnp.asarray(lip), jnp.asarray(fps), jnp.asarray(frames))
    np.testing.assert_allclose([amplitude, duration, mean, peak], [slope * 15 / fps, 15 / fps, slope, slope], rtol=1e-5)


def test_twice_the_frame_rate_halves_times_and_doubles_speeds():
    rng = np.random.default_rng(0)
    lip = jnp.asarray(np.cumsum(rng.standard_normal(60)))
    slow, fast = (np.asarray(cohn04.timing(lip, jnp.asarray(w), jnp.asarray(60))) for w in (25.0, 50.0))
    np.testing.assert_allclose(fast, slow * [1, 0.5, 2, 2], rtol=1e-5)


def test_a_smile_without_an_onset_has_no_timing():
    falling = jnp.linspace(1, 0, 20)
    np.testing.assert_array_equal(cohn04.timing(falling, jnp.asarray(25.0), jnp.asarray(20)), 0)


@pytest.mark.parametrize("side", cohn04.SIDES)
def test_timings_do_not_depend_on_place_size_and_turn_of_the_head(side):
    sample = synthetic.generate(1, 1, seed=2)[0]
    angle = np.radians(20)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    points = sample.landmarks * (1, sample.aspect, 1)
    moved = (0.7 * points @ turn.T + (0.1, 0.05, 0.2)) / (1, sample.aspect, 1)
    other = dataclasses.replace(sample, landmarks=moved.astype(np.float32))
    first, second = cohn04.timings([sample, other], side)
    assert first[0] > 0
    np.testing.assert_allclose(first, second, rtol=2e-2)


def test_programs_are_compiled_once_for_many_lengths():
    samples = synthetic.generate(4, 2, seed=5, frames=(70, 120))
    cohn04.timings(samples)
    before = cohn04._PROGRAMS["mean"]._cache_size()
    cohn04.timings(synthetic.generate(6, 3, seed=6, frames=(80, 300)))
    assert cohn04._PROGRAMS["mean"]._cache_size() == before

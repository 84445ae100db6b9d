"""Table 2 of hand-made signals, in each kind of phases."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dfuse_jax import dmarkers

# The longest rise is frames 1 to 4 and the longest fall 6 to 9; a shorter rise follows the fall.
LIP = np.array([1, 0, 1, 2, 4, 3.5, 3.6, 3, 2, 1, 2, 1.5])
OTHER = np.array([0, 0, 2, 1, 3, 0, 0, 0, 5, 1, 0, 0])
FPS = 10.0


def describe(lip=LIP, *, length=None, **options):
    curves = jnp.asarray(np.stack([OTHER, OTHER, lip]), float)
    function = jax.jit(functools.partial(dmarkers.describe, **options))
    table = np.asarray(function(dmarkers.Signals(curves, curves, curves), FPS, length=length or len(lip)))
    return {name: table[..., number] for number, name in enumerate(dmarkers.VALUES)}


@pytest.mark.parametrize(
    ("options", "frames"),
    [
        ({}, (4, 1, 4)),
        ({"phases": "extended"}, (5, 1, 6)),
        ({"phases": "whole"}, (12, 0, 0)),
        ({"phases": "whole", "length": 7}, (7, 0, 0)),
        # The fall of the frames 0 and 1 is the only one, and no rise comes before it.
        ({"phases": "extended", "length": 5}, (0, 0, 5)),
    ],
    ids=str,
)
def test_every_kind_of_phases_counts_its_frames(options, frames):
    np.testing.assert_allclose(describe(**options)["duration"], [np.array(frames) / FPS] * 3, rtol=1e-6)


def test_extended_phases_end_with_the_longest_rise_before_the_longest_fall():
    # The rise of frames 6 to 9 is the longest, but follows the fall.
    lip = np.array([0, 1, 2, 3, 2, 1, 0, 1, 2, 3, 4, 5])
    np.testing.assert_allclose(describe(lip, phases="extended")["duration"][2] * FPS, [4, 0, 9], rtol=1e-6)
    rising = np.arange(12.0)
    np.testing.assert_allclose(describe(rising, phases="extended")["duration"][2] * FPS, [12, 0, 0], rtol=1e-6)


def test_levels_and_increments_of_a_rise_by_hand():
    # In the onset LIP is 0, 1, 2, 4: D+ are the levels 1, 2, 4, or the steps 1, 1, 2.
    levels, steps = describe(), describe(increments=True)
    np.testing.assert_allclose([levels["amplitude_total_increasing"][2, 0], levels["amplitude_net"][2, 0]], [7, 7])
    np.testing.assert_allclose([steps["amplitude_total_increasing"][2, 0], steps["amplitude_net"][2, 0]], [4, 4])
    # In the offset it is 3.6, 3, 2, 1: the steps are 0.6, 1, 1.
    np.testing.assert_allclose(steps["amplitude_mean_decreasing"][2, 2], 2.6 / 3, rtol=1e-5)
    np.testing.assert_allclose(steps["amplitude_duration_ratio"][2, 2], -2.6 * FPS / 4, rtol=1e-5)
    for value in ("amplitude_max", "amplitude_std", "speed_max_increasing"):  # those do not know D+ and D-
        np.testing.assert_allclose(steps[value], levels[value], rtol=1e-6)


def test_unknown_phases_are_refused():
    with pytest.raises(ValueError, match="unknown phases 'all'; known: runs, extended, whole"):
        describe(phases="all")

"""Table 2, worked out by hand."""

import hypothesis
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st
from padded import close, compute, fast_to_compile, named
from sequences import SEEDS, SETTINGS
from smiles import smile

from dfuse_jax import dmarkers
from dfuse_jax.dmarkers._features import describe
from dfuse_jax.dmarkers._phases import Spans


def values(features, region, phase):
    """Returns the 25 values of one region and phase."""
    return [features[f"{region}_{phase}_{value}"] for value in dmarkers.VALUES]


def test_a_smile_worked_out_by_hand():
    # D_lip: 0.5 0.6 0.8 | 0.8 | 0.8 0.7 0.4; onset frames 0-2, apex 3, offset 4-6.
    features = named(smile([1, 1.2, 1.6, 1.6, 1.6, 1.4, 0.8]), 10.0)
    onset = [0.2, 0, 0.3, 2 / 3, 0, 0.8, 1.9 / 3, 0.7, 0, np.sqrt(0.14 / 9), 1.4, 0, 1.4, 1, 0]
    onset += [2, 0, 1.5, 0, 10, 0, 10, 0, 14 / 3, 0]
    apex = [0, 0, 0.1, 0, 0, 0.8, 0.8] + 18 * [0]
    offset = [0, 0.2, 0.3, 0, 2 / 3, 0.8, 1.9 / 3, 0, 0.55, np.sqrt(0.26 / 9), 0, 1.1, -1.1, 0, 1]
    offset += [0, 3, 0, 2, 0, 20, 0, 20, -11 / 3, 0]
    np.testing.assert_allclose(values(features, "lip", "onset"), onset, atol=1e-12)
    np.testing.assert_allclose(values(features, "lip", "apex"), apex, atol=1e-12)
    np.testing.assert_allclose(values(features, "lip", "offset"), offset, atol=1e-12)
    # The eyes stand still at 0.03 over 0.1, the cheeks at half their distance: neither rises nor falls.
    for region, amplitude in (("eye", 0.3), ("cheek", 0.5)):
        still = [0, 0, 0.3, 0, 0, amplitude, amplitude] + 18 * [0]
        np.testing.assert_allclose(values(features, region, "offset"), still, atol=1e-12)


def test_a_blink_worked_out_by_hand():
    # While the lips rise for 4 frames, the lids go down, below the corners (D < 0), and up: D_eye 0.3 0.1 -0.2 0.3.
    points = smile([1, 1.1, 1.3, 1.6])
    points[:, 1, 1] = points[:, 4, 1] = [0.37, 0.39, 0.42, 0.37]
    expected = [1, 2, 4, 0.25, 0.5, 0.3, 0.125, 0.3, 0.15, np.sqrt(0.041875), 0.3, 0.3, 0, 0.5, 0.5]
    expected += [0.5, 0.3, 0.5, 0.25, 0.8, 0.1, 0.8, 0.1, 0, 0]
    np.testing.assert_allclose(values(named(points), "eye", "onset"), expected, atol=1e-12)


def test_one_side_alone_shows_in_the_amplitude_difference():
    points = smile([1, 1, 1])
    points[:, 10, 0] += [0, 0.02, 0.04]  # the left corner alone: D_L - D_R = 0, 0.2, 0.4
    features = named(points, 10.0)
    assert features["lip_onset_amplitude_difference"] == pytest.approx(0.2)
    assert features["lip_onset_amplitude_mean"] == pytest.approx(0.6)


@pytest.mark.parametrize("lip", [[1.0], [1, 1, 1, 1, 1]])
def test_no_phase_no_features(lip):
    assert set(named(smile(lip)).values()) == {0.0}


@SETTINGS
@hypothesis.given(st.integers(2, 12), st.integers(2, 12), st.integers(0, 10), SEEDS)
def test_played_backwards_onset_and_offset_change_places(rise, fall, rest, seed):
    hypothesis.assume(rise != fall)
    rng = np.random.default_rng(seed)
    up, down = np.sort(rng.uniform(1, 2, rise)), np.sort(rng.uniform(1, 2, fall))[::-1]
    up[0] = down[-1] = 1.0  # starts and ends at rest, so the first frame is the same played backwards
    points = smile([*up, *np.full(rest, 2.1), *down])
    moved = [1, 4, 6, 7]  # lids and cheeks, on which neither pose nor phases depend
    points[1:-1, moved] += 0.01 * rng.normal(size=(len(points) - 2, 4, 3))
    forwards, backwards = (dict(zip(dmarkers.FEATURE_NAMES, compute(p), strict=True)) for p in (points, points[::-1]))
    places = {"onset": "offset", "apex": "apex", "offset": "onset"}
    ways = {"increasing": "decreasing", "decreasing": "increasing"}
    same = ["duration", "amplitude_max", "amplitude_mean", "amplitude_std", "amplitude_difference"]
    same += [f"acceleration_{kind}_{way}" for kind in ("max", "mean") for way in ways]
    swapped = ["duration", "duration_ratio", "speed_max", "speed_mean"]
    for region in dmarkers.REGIONS:
        for phase, other in places.items():
            for value in same:
                close(backwards[f"{region}_{other}_{value}"], forwards[f"{region}_{phase}_{value}"], 1e-6)
            for value in swapped:
                for way, back in ways.items():
                    now, before = f"{region}_{other}_{value}_{back}", f"{region}_{phase}_{value}_{way}"
                    close(backwards[now], forwards[before], 1e-6)


def test_every_feature_is_named_by_region_phase_and_value():
    assert len(dmarkers.FEATURE_NAMES) == len(set(dmarkers.FEATURE_NAMES)) == 225
    assert dmarkers.FEATURE_NAMES[0] == "eye_onset_duration_increasing"
    assert dmarkers.FEATURE_NAMES[25 * 4 + 5] == "cheek_apex_amplitude_max"
    assert dmarkers.FEATURE_NAMES[-1] == "lip_offset_amplitude_difference"


def test_the_derivative_of_a_largest_value_is_that_of_its_frames():
    """In a program in which XLA computes the values twice and rounds them differently: no value equals the largest."""
    lip = np.array([0.5, 0.6, 0.8, 0.75, 0.55], np.float32)  # rises by 0.1 and 0.2, falls by 0.05 and 0.2
    still = np.tile(np.float32([[0.3], [0.5]]), 5)
    phases = Spans(start=jnp.array([0, 3, 2]), stop=jnp.array([3, 3, 5]))

    def of_lip(lip):
        mean = jnp.concatenate([still, lip[None]])
        values = describe(dmarkers.Signals(mean, mean, mean), phases, jnp.float32(10))[2]
        return {name: values[:, number] for number, name in enumerate(dmarkers.VALUES)}

    slopes = fast_to_compile(jax.jacrev(of_lip))(lip)
    expected = {
        "amplitude_max": ([0, 0, 1, 0, 0], [0, 0, 1, 0, 0]),
        "speed_max_increasing": ([0, -10, 10, 0, 0], [0] * 5),
        "speed_max_decreasing": ([0] * 5, [0, 0, 0, 10, -10]),
        "acceleration_max_increasing": ([100, -200, 100, 0, 0], [0] * 5),
        "acceleration_max_decreasing": ([0] * 5, [0, 0, -100, 200, -100]),
    }
    for name, (onset, offset) in expected.items():
        np.testing.assert_allclose(slopes[name], [onset, [0] * 5, offset], atol=1e-4, err_msg=name)
    assert all(np.isfinite(slope).all() for slope in slopes.values())

"""D-Markers: both definitions, against the published values, an independent reading, and values worked out by hand."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from goldens import DATA
from smiles import precision, rough, smile

from dfuse_jax import dmarkers
from dfuse_jax.bench.oracles import loops
from dfuse_jax.bench.oracles import numpy as vectorised
from dfuse_jax.dmarkers._smoothing import smooth_4253h_twice

GOLDEN = DATA / "dmarkers_authors.npz"


def features(points, fps=1.0, **options):
    """{name: value} of one sequence, computed in float64."""
    with precision(True):
        return dict(zip(dmarkers.FEATURE_NAMES, np.asarray(dmarkers.compute(points, fps, **options)), strict=True))


def of(found, region, phase):
    """The 25 values of one region and phase."""
    return [found[f"{region}_{phase}_{value}"] for value in dmarkers.VALUES]


@pytest.mark.parametrize("clips", ["t16", "t120"])
def test_authors_definition_returns_the_published_values(clips):
    with np.load(GOLDEN) as file:
        points, published = file[f"{clips}/points"], file[f"{clips}/features"]
    compute = jax.vmap(lambda p: dmarkers.compute(p, 25.0, definition="authors"))
    with precision(True):
        found = np.asarray(jax.jit(compute)(points.astype(float)))
    assert found.dtype == np.float64
    # The published values are float32: those that cancel (accelerations) carry its rounding of signals of about 1.
    np.testing.assert_allclose(found, published, rtol=1e-6, atol=1e-9)
    with precision(False):
        found = np.asarray(jax.jit(compute)(points))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, published, rtol=1e-4, atol=5e-6)


def test_a_thousand_sequences_agree_with_the_reading_of_the_text():
    rng, frames = np.random.default_rng(0), 48
    kinds = ["smooth", "jittery", "tied", "wild"]
    length = rng.integers(1, frames + 1, 1000)
    fps, aspect = rng.uniform(5, 100, 1000), rng.uniform(0.4, 2, 1000)
    points = np.full((1000, frames, 11, 3), np.nan)
    for i, n in enumerate(length):
        points[i, :n] = rough(rng, n, kinds[i % 4])
        if i % 25 == 0:  # points in one place, for a while
            a, b, frame = rng.integers(0, 11), rng.integers(0, 11), rng.integers(0, n)
            points[i, frame:n, a] = points[i, frame:n, b]
    for smoothing, every in ((None, 1), ("4253H", 3)):  # smoothed, the slow reading is slower still: every third
        chosen = [x[::every] for x in (points, fps, length, aspect)]
        one = functools.partial(dmarkers.compute, smoothing=smoothing)
        batch = jax.vmap(lambda p, f, n, a: one(p, f, length=n, aspect=a))  # noqa: B023
        with precision(True):
            found = np.asarray(jax.jit(batch)(*chosen))
        expected = [loops.features(p[:n], f, a, smoothing) for p, f, n, a in zip(*chosen, strict=True)]
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-8)
        assert (np.count_nonzero(expected, axis=0) > len(expected) / 10).sum() > 200  # the sequences do have phases
        if smoothing is None:
            np.testing.assert_allclose(vectorised.features(*chosen), expected, rtol=1e-7, atol=1e-8)


def test_a_smile_worked_out_by_hand():
    # D_lip: 0.5 0.6 0.8 | 0.8 | 0.8 0.7 0.4; onset frames 0-2, apex 3, offset 4-6.
    found = features(smile([1, 1.2, 1.6, 1.6, 1.6, 1.4, 0.8]), 10.0)
    onset = [0.2, 0, 0.3, 2 / 3, 0, 0.8, 1.9 / 3, 0.7, 0, np.sqrt(0.14 / 9), 1.4, 0, 1.4, 1, 0]
    onset += [2, 0, 1.5, 0, 10, 0, 10, 0, 14 / 3, 0]
    apex = [0, 0, 0.1, 0, 0, 0.8, 0.8] + 18 * [0]
    offset = [0, 0.2, 0.3, 0, 2 / 3, 0.8, 1.9 / 3, 0, 0.55, np.sqrt(0.26 / 9), 0, 1.1, -1.1, 0, 1]
    offset += [0, 3, 0, 2, 0, 20, 0, 20, -11 / 3, 0]
    np.testing.assert_allclose(of(found, "lip", "onset"), onset, atol=1e-12)
    np.testing.assert_allclose(of(found, "lip", "apex"), apex, atol=1e-12)
    np.testing.assert_allclose(of(found, "lip", "offset"), offset, atol=1e-12)
    # The eyes stand still at 0.03 over 0.1, the cheeks at half their distance: neither rises nor falls.
    for region, value in (("eye", 0.3), ("cheek", 0.5)):
        still = [0, 0, 0.3, 0, 0, value, value] + 18 * [0]
        np.testing.assert_allclose(of(found, region, "offset"), still, atol=1e-12)


def test_a_blink_worked_out_by_hand():
    # While the lips rise for 4 frames, the lids go down, below the corners (D < 0), and up: D_eye 0.3 0.1 -0.2 0.3.
    points = smile([1, 1.1, 1.3, 1.6])
    points[:, 1, 1] = points[:, 4, 1] = [0.37, 0.39, 0.42, 0.37]
    expected = [1, 2, 4, 0.25, 0.5, 0.3, 0.125, 0.3, 0.15, np.sqrt(0.041875), 0.3, 0.3, 0, 0.5, 0.5]
    expected += [0.5, 0.3, 0.5, 0.25, 0.8, 0.1, 0.8, 0.1, 0, 0]
    np.testing.assert_allclose(of(features(points), "eye", "onset"), expected, atol=1e-12)


def test_one_side_alone_shows_in_the_amplitude_difference():
    points = smile([1, 1, 1])
    points[:, 10, 0] += [0, 0.02, 0.04]  # the left corner alone: D_L - D_R = 0, 0.2, 0.4
    found = features(points, 10.0)
    assert found["lip_onset_amplitude_difference"] == pytest.approx(0.2)
    assert found["lip_onset_amplitude_mean"] == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("lip", "expected"),
    [
        ([1.0], ([], [], [])),
        ([1, 1, 1, 1], ([], [], [])),
        ([1, 2], ([0, 1], [], [])),
        ([2, 1], ([], [], [0, 1])),
        ([1, 2, 3, 4], ([0, 1, 2, 3], [], [])),
        ([1, 2, 2, 1], ([0, 1], [], [2, 3])),
        ([1, 2, 2, 2, 1], ([0, 1], [2], [3, 4])),
        ([1, 2, 1], ([0, 1], [], [1, 2])),  # the peak belongs to both runs
        ([2, 1, 1, 2], ([2, 3], [], [0, 1])),  # the fall comes first: no apex
        ([1, 2, 1, 2], ([0, 1], [], [1, 2])),  # the earliest of two longest rises
        ([1, 2, 1, 2, 3], ([2, 3, 4], [], [1, 2])),
        ([1, 2, 2, 3, 4, 1], ([3 - 1, 3, 4], [], [4, 5])),  # a tie ends a rise
    ],
)
def test_phases_worked_out_by_hand(lip, expected):
    found = dmarkers.phases(jnp.array(lip, float))
    assert [np.flatnonzero(phase).tolist() for phase in np.asarray(found)] == list(expected)
    padded = dmarkers.phases(
        jnp.array([*lip, 9.0, 10.0, 11.0, 12.0, 1.0, 0.0, -1.0, -2.0, -3.0, -4.0]), length=len(lip)
    )
    np.testing.assert_array_equal(padded[:, : len(lip)], found)
    assert not padded[:, len(lip) :].any()


@pytest.mark.parametrize(
    ("lip", "expected"),
    [
        ([1, 2, 3], ([0, 1, 2], [], [])),  # a run that reaches the last frame takes nothing in
        ([1, 2, 3, 0, 0], ([0, 1, 2, 3], [], [2, 3, 4])),  # the fall ends the rise, the tie ends the fall
        ([1, 2, 0, 1, 2], ([0, 1, 2], [], [1, 2, 3])),  # with the frame that ends it the first rise is as long
    ],
)
def test_authors_phases_take_in_the_frame_that_ends_a_run(lip, expected):
    found = dmarkers.phases(jnp.array(lip, float), definition="authors")
    assert [np.flatnonzero(phase).tolist() for phase in np.asarray(found)] == list(expected)


@pytest.mark.parametrize("lip", [[1.0], [1, 1, 1, 1, 1]])
def test_no_phase_no_features(lip):
    assert set(features(smile(lip)).values()) == {0.0}


def smoothed(x, length=None):
    with precision(True):
        x = jnp.asarray(x, float)
        return np.asarray(smooth_4253h_twice(x, jnp.asarray(len(x) if length is None else length)))


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


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 6, 7, 8, 30])
def test_smoothing_agrees_with_the_slow_reading_at_every_length(frames):
    for seed in range(20):
        x = np.random.default_rng(seed).normal(size=frames).round(1)  # with ties
        np.testing.assert_allclose(smoothed(x), loops.smoothed(list(x)), atol=1e-12)
        padded = smoothed(np.append(x, [1e6, -1e6, 3]), length=frames)
        np.testing.assert_array_equal(padded[:frames], smoothed(x))

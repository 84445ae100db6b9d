"""The definition `robust`: against a reading in plain Python, and against movements whose phases are known."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from padded import FRAMES, close, compute, fast_to_compile, named, pad, signals
from smiles import FACE, precision, rotation, rough, smile

from dfuse_jax import dmarkers
from dfuse_jax.bench.oracles import robust as reading
from dfuse_jax.dmarkers._lines import fit_lines

robust = functools.partial(compute, definition="robust")
MIRROR = [5, 4, 3, 2, 1, 0, 7, 6, 8, 10, 9]
PHASE_VALUES = len(dmarkers.VALUES)


def ends(lip, fps, **options):
    """Returns begin and end of the phases in frames, [3, 2], in float64."""
    with precision(True):
        return np.asarray(dmarkers.phase_ends(np.asarray(lip, float), fps, definition="robust", **options))


def logistic(time, middle, width):
    """Rises from 0 to 1; it is at 20% at `middle` less `width` log 4, and at 80% as much after it."""
    return 1 / (1 + np.exp(-(time - middle) / width))


def test_sequences_agree_with_the_reading_in_plain_python():
    rng = np.random.default_rng(0)
    kinds = ["smooth", "jittery", "tied", "wild"]
    exist = np.zeros(3, int)
    for number in range(72):
        points = rough(rng, int(rng.integers(1, FRAMES + 1)), kinds[number % 4])
        fps, aspect = rng.uniform(5, 100), rng.uniform(0.4, 2)
        expected = reading.features(points, fps, aspect)
        close(robust(points, fps=fps, aspect=aspect), expected, 1e-9)
        exist += expected.reshape(3, 3, -1)[2].any(axis=1)
    assert exist.min() > 10


@pytest.mark.parametrize("fps", [15, 24, 25, 30, 50, 60, 120])
def test_a_slow_smile_begins_and_ends_at_the_same_seconds_at_every_frame_rate(fps):
    """A line fitted over 0.1 s hardly changes a movement of seconds, so that the crossings are those of the formula."""
    time = np.arange(round(14 * fps)) / fps
    width = 0.4
    lip = 0.5 + 0.2 * (logistic(time, 4, width) - logistic(time, 10, width))
    reach = width * np.log(4)  # logit of 0.8
    expected = [[4 - reach, 4 + reach], [4 + reach, 10 - reach], [10 - reach, 10 + reach]]
    np.testing.assert_allclose(ends(lip, fps) / fps, expected, atol=0.02)


def test_straight_movements_keep_their_lines():
    fps = 50
    time = np.arange(500) / fps
    lip = np.interp(time, [0, 2, 4, 6, 8, 10], [0.5, 0.5, 0.8, 0.8, 0.5, 0.5])
    # From 20 to 80% of a straight rise of 2 s: it begins 0.4 s after it starts, and lasts 1.2 s.
    expected = [[2.4, 3.6], [3.6, 6.4], [6.4, 7.6]]
    np.testing.assert_allclose(ends(lip, fps) / fps, expected, atol=0.002)
    curves = dmarkers.Signals(*(jnp.tile(jnp.asarray(lip, jnp.float32), (3, 1)) for _ in range(3)))
    features = dmarkers._definitions.DEFINITIONS["robust"].features(curves, 500, jnp.float32(fps))
    onset = dict(zip(dmarkers.VALUES, np.asarray(features[2, 0]), strict=True))
    speed, size = 0.15, np.hypot(0.15, 0.2)  # of the line; the size that a speed of 0.2 blurs
    assert onset["duration"] == pytest.approx(1.2, abs=0.002)
    assert onset["duration_ratio_increasing"] == pytest.approx((1 + speed / size) / 2, rel=1e-3)
    assert onset["duration_ratio_decreasing"] == pytest.approx((1 - speed / size) / 2, rel=1e-3)
    assert onset["speed_mean_increasing"] == pytest.approx((size + speed) / 2, rel=1e-3)
    assert onset["speed_max_decreasing"] == pytest.approx((size - speed) / 2, rel=1e-2)
    assert onset["amplitude_max"] == pytest.approx(0.5 + 0.8 * 0.3, abs=1e-3)
    assert onset["amplitude_mean"] == pytest.approx(0.65, abs=1e-3)
    assert onset["amplitude_std"] == pytest.approx(0.18 / np.sqrt(12), rel=0.01)  # of a straight line over 0.18
    assert onset["amplitude_total_increasing"] == pytest.approx(1.2 * 0.65 * (1 + speed / size) / 2, rel=3e-3)
    assert onset["amplitude_duration_ratio"] == pytest.approx(0.65 * speed / size, rel=3e-3)
    assert onset["acceleration_mean_increasing"] == pytest.approx(1, rel=0.05)  # of a line: still / scale / 2


def test_a_fitted_line_is_the_line_and_its_slope():
    with precision(True):
        line = 3 + 0.25 * np.arange(30.0)
        padded = jnp.asarray(np.append(line, np.full(34, 1e9)))
        value, slope = fit_lines(padded[None], 30, jnp.asarray(2.5))
    close(np.asarray(value[0, :30]), line, 1e-10)
    close(np.asarray(slope[0, :30]), np.full(30, 0.25), 1e-10)


@pytest.mark.parametrize(
    ("lip", "exist"),
    [
        (lambda t: np.full_like(t, 0.5), [False, False, False]),
        (lambda t: 0.5 + 0.3 * logistic(t, 1.5, 0.1), [True, False, False]),
        (lambda t: 0.5 - 0.3 * logistic(t, 1.5, 0.1), [False, False, True]),
        (lambda t: 0.5 + 0.01 * logistic(t, 1.5, 0.1), [False, False, False]),  # less than 0.02
        (lambda t: 0.5 + 0.3 * logistic(t, 1, 0.1) - 0.05 * logistic(t, 2, 0.1), [True, False, False]),  # a sixth of it
        (lambda t: 0.5 + 0.3 * logistic(t, 1, 0.1) - 0.1 * logistic(t, 2, 0.1), [True, True, True]),
    ],
)
def test_phases_exist_where_the_lips_move_enough(lip, exist):
    time = np.arange(90) / 30
    found = ends(lip(time), 30)
    np.testing.assert_array_equal(np.isfinite(found).all(axis=1), exist)
    frames = np.asarray(dmarkers.phases(lip(time).astype(np.float32), 30.0, definition="robust"))
    np.testing.assert_array_equal(frames.any(axis=1), exist)
    for (begin, end), phase in zip(found, frames, strict=True):
        if np.isfinite(begin):
            assert phase.sum() == pytest.approx(end - begin, abs=1)
            assert np.flatnonzero(phase)[0] == pytest.approx(begin, abs=1)


def test_a_slow_drift_after_the_smile_is_no_offset():
    time = np.arange(300) / 30
    drift = -0.02 * np.clip((time - 3) / 4, 0, 1)
    lip = 0.5 + 0.3 * (logistic(time, 1.5, 0.1) - logistic(time, 8, 0.1)) + drift
    onset, _, offset = ends(lip, 30) / 30
    assert onset[1] < 2
    assert 7.5 < offset[0] < 8
    paper = np.asarray(dmarkers.phase_ends(lip.astype(np.float32), definition="paper"))
    assert paper[2, 0] / 30 < 7  # the longest fall is the drift: the test's own check


def test_paper_ends_enclose_its_frames():
    np.testing.assert_array_equal(
        dmarkers.phase_ends(np.array([1, 2, 3, 3, 3, 2, 1.0])), [[-0.5, 2.5], [2.5, 3.5], [3.5, 6.5]]
    )
    assert np.isnan(dmarkers.phase_ends(np.ones(5))).all()


def test_turning_moving_scaling_and_mirroring_the_face_changes_no_feature():
    rng = np.random.default_rng(3)
    for kind in ("smooth", "jittery"):
        points = rough(rng, 30, kind)
        expected = robust(points)
        assert expected.any()
        turn = np.stack([rotation(rng) for _ in points])
        moved = rng.uniform(0.1, 10, (30, 1, 1)) * (points @ turn) + rng.normal(size=(30, 1, 3))
        close(robust(moved), expected, 1e-7)
        close(robust(points[:, MIRROR] * np.array([-1, 1, 1])), expected, 1e-7)
        seen = signals(points, definition="robust")
        mirror = signals(points[:, MIRROR] * np.array([-1, 1, 1]), definition="robust")
        close(mirror.right, seen.left)


def test_a_blink_worked_out_by_hand():
    """FACE's eyes are 0.1 wide, in the plane z = 0; its nose tip leans by atan(0.05 / 0.1) towards the viewer."""
    points = smile([1, 1.1, 1.3, 1.6])
    heights = [0.03, 0.01, -0.02, 0.03]
    points[:, 1, 1] = points[:, 4, 1] = 0.4 - np.array(heights)
    # e_y = (0, cos, -sin) of that angle, e_z = (0, sin, cos): the vertical's part along y is cos(46.9 deg - angle).
    along = np.cos(np.radians(46.9) - np.arctan2(0.05, 0.1))
    np.testing.assert_allclose(
        signals(points, definition="robust").mean[0], along * np.array(heights) / 0.1, atol=1e-12
    )


def test_paper_takes_the_sign_of_an_eye_down_the_vertical():
    """A lid that bulges forward lies below its corners along the axis to the nose, and above them on the face."""
    tilt = np.radians(46.9)
    points = np.tile(FACE, (2, 1, 1))
    points[:, 8] = [0.45, 0.4 + 0.1 * np.cos(tilt), -0.1 * np.sin(tilt)]  # so the face's vertical is y
    for lid in (1, 4):
        points[0, lid, 1:] = 0.4 - 0.001, -0.03  # open, just: the nose's axis would say closed
        points[1, lid, 1:] = 0.4 + 0.001, -0.03
    distance = np.hypot(0.001, 0.03) / 0.1
    np.testing.assert_allclose(signals(points).mean[0], [distance, -distance], atol=1e-9)


def test_what_the_padding_holds_changes_nothing():
    points = rough(np.random.default_rng(5), 23, "smooth")
    for wide, tolerance in ((True, 1e-9), (False, 1e-4)):
        with precision(wide):
            alone = np.asarray(dmarkers.compute(points.astype(pad(points, wide=wide).dtype), 25.0, definition="robust"))
        close(robust(points, wide=wide), alone, tolerance)


@pytest.mark.parametrize("frames", range(1, 17))
def test_few_frames_give_finite_features(frames):
    points = rough(np.random.default_rng(frames), frames, "jittery")
    assert np.isfinite(robust(points)).all()


def test_lost_frames_and_unusable_frame_rates_leave_no_feature():
    points = rough(np.random.default_rng(0), 12, "smooth")
    for frame, value in ((0, np.nan), (5, np.inf), (11, -np.inf)):
        lost = points.copy()
        lost[frame, 4, 1] = value
        assert np.isnan(robust(lost)).all()
    for value in (np.nan, np.inf, 0.0, -25.0):
        assert np.isnan(robust(points, fps=value)).all()
        assert np.isnan(robust(points, aspect=value)).all()
        assert np.isnan(ends(np.linspace(0.5, 0.9, 20), value)).all()
    assert np.isnan(ends([0.5, 0.6, np.nan, 0.7], 25.0)).all()


def test_a_still_face_has_no_feature_and_a_finite_gradient():
    still = np.tile(FACE, (5, 1, 1))
    assert not robust(still).any()
    slope = jax.grad(lambda p: dmarkers.compute(p, 25.0, length=5, definition="robust").sum())
    gradient = np.asarray(fast_to_compile(slope)(pad(still, wide=False)))
    assert np.isfinite(gradient).all()


def test_float32_stays_near_float64():
    for seed in range(5):
        points = rough(np.random.default_rng(seed), 40, "smooth").astype(np.float32)
        wide, narrow = robust(points), robust(points, wide=False)
        largest = np.abs(wide).reshape(-1, PHASE_VALUES).max(axis=0)
        difference = np.abs(wide - narrow).reshape(-1, PHASE_VALUES).max(axis=0)
        assert (difference <= 1e-4 * largest + 1e-5).all()


@pytest.mark.long
def test_gradients_are_those_of_finite_differences():
    rng = np.random.default_rng(0)
    points = pad(rough(np.random.default_rng(5), 30, "smooth"))
    points[30:] = 0
    weights, way = rng.normal(size=225), rng.normal(size=points.shape)
    with precision(True):
        score = fast_to_compile(lambda p: weights @ dmarkers.compute(p, 25.0, length=30, definition="robust"))
        slope = fast_to_compile(jax.grad(lambda p: weights @ dmarkers.compute(p, 25.0, length=30, definition="robust")))
        h = 1e-7
        expected = (score(points + h * way) - score(points - h * way)) / (2 * h)
        gradient = np.asarray(slope(points))
    np.testing.assert_allclose(np.vdot(gradient, way), expected, rtol=1e-4)
    assert not gradient[30:].any()


@pytest.mark.long
def test_ranks_are_never_promoted_and_no_tracer_leaks():
    points = rough(np.random.default_rng(1), 21, "smooth").astype(np.float32)
    one = lambda p, f: dmarkers.compute(p, f, definition="robust")  # noqa: E731
    with jax.numpy_rank_promotion("raise"), jax.checking_leaks():
        jax.eval_shape(one, points, np.float32(25))
        jax.eval_shape(jax.jit(jax.vmap(jax.grad(lambda p, f: one(p, f).sum()))), points[None], np.ones(1, np.float32))
        jax.eval_shape(lambda x: dmarkers.phases(x, 25.0, definition="robust"), points[:, 0, 0])


def test_a_batch_has_the_features_that_its_sequences_have_alone():
    rng = np.random.default_rng(2)
    sequences = [rough(rng, frames, "smooth") for frames in (3, 40, 17)]
    with precision(True):
        batch = dmarkers.compute_batch(sequences, [25.0, 50.0, 30.0], definition="robust")
    alone = [robust(p, fps=f) for p, f in zip(sequences, (25.0, 50.0, 30.0), strict=True)]
    close(batch, alone, 1e-9)


def test_it_takes_no_smoothing_and_needs_the_frame_rate():
    with pytest.raises(ValueError, match="'robust' smooths the signals itself: give smoothing=None, not '4253H'"):
        dmarkers.compute(smile([1, 2]), 25.0, definition="robust", smoothing="4253H")
    with pytest.raises(ValueError, match="'robust' needs the frame rate: give fps"):
        dmarkers.phases([1.0, 2.0], definition="robust")


@pytest.mark.long
def test_a_transformer_smooths_by_default_what_does_not_smooth_itself():
    pytest.importorskip("sklearn")
    points = rough(np.random.default_rng(0), 40, "smooth").astype(np.float32)
    for definition, smoothing in (("robust", None), ("paper", "4253H")):
        features = dmarkers.DMarkers(definition=definition).fit_transform([points])
        expected = dmarkers.compute_batch([points], 25.0, definition=definition, smoothing=smoothing)
        np.testing.assert_array_equal(features, expected)


def test_its_figure_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    dmarkers.plot(
        tmp_path / "smile.png", smile(1 + 0.4 * logistic(np.arange(50) / 25, 1, 0.1)), 25.0, definition="robust"
    )
    assert (tmp_path / "smile.png").stat().st_size > 10_000


def test_every_feature_has_its_name():
    assert named(smile([1.0] * 5), definition="robust").keys() == set(dmarkers.FEATURE_NAMES)

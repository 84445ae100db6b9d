"""D-Markers of one sequence: against published and independent values, under JAX's transformations, and what breaks."""

import contextlib
import functools
import os
import re
import subprocess
import sys

import hypothesis
import hypothesis.extra.numpy as hnp
import jax
import numpy as np
import pytest
import smiles
from goldens import DATA
from hypothesis import strategies as st
from padded import FRAMES, close, compute, fast_to_compile, pad, signals
from sequences import SEEDS, SETTINGS, sequences
from smiles import FACE, batch, precision, rough, smile

from dfuse_jax import dmarkers
from dfuse_jax.bench.oracles import loops
from dfuse_jax.bench.oracles import numpy as vectorised

GOLDEN = DATA / "dmarkers_authors.npz"
OPTIONS = [{"definition": d, "smoothing": s} for d in ("paper", "authors") for s in (None, "4253H")]


@pytest.mark.parametrize("clips", ["t16", "t120"])
def test_authors_definition_returns_the_published_values(clips):
    with np.load(GOLDEN) as file:
        points, published = file[f"{clips}/points"], file[f"{clips}/features"]
    compute = jax.vmap(lambda p: dmarkers.compute(p, 25.0, definition="authors"))
    with precision(True):
        found = np.asarray(fast_to_compile(compute)(points.astype(float)))
    assert found.dtype == np.float64
    # The published values are float32: those that cancel (accelerations) carry its rounding of signals of about 1.
    np.testing.assert_allclose(found, published, rtol=1e-6, atol=1e-9)
    with precision(False):
        found = np.asarray(jax.jit(compute)(points))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, published, rtol=1e-4, atol=5e-6)


@pytest.mark.long
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
        many = jax.vmap(lambda p, f, n, a: one(p, f, length=n, aspect=a))  # noqa: B023
        with precision(True):
            found = np.asarray(fast_to_compile(many)(*chosen))
        expected = [loops.features(p[:n], f, a, smoothing) for p, f, n, a in zip(*chosen, strict=True)]
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-8)
        assert (np.count_nonzero(expected, axis=0) > len(expected) / 10).sum() > 200  # the sequences do have phases
        if smoothing is None:
            np.testing.assert_allclose(vectorised.features(*chosen), expected, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize(("frames", "smoothing"), [(1, None), (9, "4253H")])
def test_the_padding_changes_nothing(frames, smoothing):
    points = rough(np.random.default_rng(frames), frames, "smooth")
    with precision(True):
        one = functools.partial(dmarkers.compute, smoothing=smoothing)
        alone = np.asarray(fast_to_compile(one)(points, 25.0))
    close(compute(points, smoothing=smoothing), alone, 1e-10)


@SETTINGS
@hypothesis.given(sequences, st.sampled_from([None, "4253H"]), SEEDS)
def test_what_the_padding_holds_changes_nothing(points, smoothing, seed):
    rng = np.random.default_rng(seed)
    padded = rng.choice([np.nan, np.inf, -1e30, 0.0, 1.0], (FRAMES, 11, 3))
    padded[: len(points)] = points
    with precision(True):
        found = dmarkers.compute(padded, 25.0, length=len(points), smoothing=smoothing)
    np.testing.assert_array_equal(found, compute(points, smoothing=smoothing))


@SETTINGS
@hypothesis.given(
    hnp.arrays(
        np.float32,
        (6, 11, 3),
        elements=st.floats(-(2.0**127), 2.0**127, width=32, allow_subnormal=False) | st.sampled_from([0.0, 1.0]),
    ),
    st.sampled_from([("paper", "4253H"), ("authors", None)]),
)
def test_finite_coordinates_never_give_nan_or_infinity(points, options):
    definition, smoothing = options
    if definition == "authors":  # takes min-max scaled coordinates, and has no pose step to bring others into range
        points = np.clip(points, -10, 10)
    found = compute(points, wide=False, definition=definition, smoothing=smoothing)
    assert np.isfinite(found).all(), [dmarkers.FEATURE_NAMES[i] for i in np.flatnonzero(~np.isfinite(found))]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("options", OPTIONS[:3], ids=str)
def test_a_lost_frame_leaves_no_feature(options, value):
    points = rough(np.random.default_rng(0), 12, "smooth")
    assert np.isfinite(compute(points, **options)).all()
    for frame, point, axis in ((0, 9, 0), (5, 8, 2), (11, 1, 1)):
        lost = points.copy()
        lost[frame, point, axis] = value
        assert np.isnan(compute(lost, **options)).all()
        assert np.isfinite(compute(lost[:frame], **options)).all() if frame else True
    assert np.isnan(compute(np.full_like(points, value), **options)).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, -25.0])
def test_a_frame_rate_or_an_aspect_that_is_not_positive_leaves_no_feature(value):
    points = rough(np.random.default_rng(0), 12, "smooth")
    for unusable in ({"fps": value}, {"aspect": value}):
        assert np.isnan(compute(points, **unusable)).all()
        published = compute(points, definition="authors")
        np.testing.assert_array_equal(compute(points, definition="authors", **unusable), published)  # reads neither


slopes = fast_to_compile(jax.value_and_grad(lambda p, n: dmarkers.compute(p, 25.0, length=n).sum()))

DEGENERATE = {
    "all points in one place": range(11),
    "the right eye's corners": [0, 2],
    "the two eyes": [0, 2, 3, 5],
    "the cheeks": [6, 7],
    "the lip corners": [9, 10],
    "lid and corners": [0, 1, 2],
}


@pytest.mark.parametrize("which", DEGENERATE.values(), ids=DEGENERATE)
def test_points_in_one_place_give_finite_features_and_gradients(which):
    points = smile([1, 1.2, 1.6, 1.5, 1.1]).astype(np.float32)
    points[1:3, list(which)] = points[1:3, list(which)][:, :1]
    for p in (points, points[[1, 0, 2, 3, 4]]):  # from the second frame on, and from the first
        total, slope = slopes(pad(p, wide=False), len(p))
        assert np.isfinite(total)
        assert np.isfinite(slope).all()


def test_gradients_of_a_still_face_are_finite():
    still = np.tile(FACE, (5, 1, 1))
    assert np.isfinite(slopes(pad(still, wide=False), 5)[1]).all()


def test_gradients_do_not_see_what_the_padding_holds():
    points = rough(np.random.default_rng(0), 12, "smooth")
    expected = slopes(np.pad(points, ((0, FRAMES - 12), (0, 0), (0, 0))).astype(np.float32), 12)[1]
    assert np.isfinite(expected).all() and np.abs(expected[:12]).max() > 1
    for value in (np.nan, np.inf, 1e30):
        padded = np.full((FRAMES, 11, 3), value, np.float32)
        padded[:12] = points
        np.testing.assert_array_equal(slopes(padded, 12)[1], expected)
    assert not np.asarray(expected[12:]).any()


@SETTINGS
@hypothesis.given(sequences.filter(lambda p: len(p) > 4))
def test_float32_stays_near_float64(points):
    points = points.astype(np.float32)
    exact = signals(points).mean
    steps = np.diff(exact, axis=1)
    hypothesis.assume(min(np.abs(steps).min(), np.abs(np.diff(steps, axis=1)).min()) > 1e-5)
    np.testing.assert_allclose(signals(points, wide=False).mean, exact, atol=1e-5 * np.abs(exact).max())
    wide, narrow = compute(points), compute(points, wide=False)
    scale = np.abs(wide).reshape(3, 3, 25)
    # Sums and differences carry the rounding of their terms: n of them, and two differences times 25 a second each.
    floor = np.abs(exact).max() * np.array(
        [1e-5] * 10 + [1e-4] * 3 + [1e-4] * 2 + [1e-4] * 4 + [1e-2] * 4 + [1e-3, 1e-5]
    )
    assert (np.abs(narrow - wide).reshape(3, 3, 25) <= 1e-4 * scale + floor).all()


def test_transformations_give_what_plain_evaluation_gives():
    with precision(True):
        points, fps, length = batch(4, frames=FRAMES, dtype=np.float64)
        one = lambda p, f, n: dmarkers.compute(p, f, length=n, smoothing="4253H")  # noqa: E731
        plain = np.stack([one(*row) for row in zip(points, fps, length, strict=True)])
        assert np.count_nonzero(plain) > plain.size / 3
        close(fast_to_compile(jax.vmap(one))(points, fps, length), plain, 1e-9)
        twice = fast_to_compile(jax.vmap(jax.vmap(jax.checkpoint(one), in_axes=(-1, 0, 0), out_axes=1)))
        pairs = [np.reshape(x, (2, 2, *x.shape[1:])) for x in (points, fps, length)]
        found = twice(np.moveaxis(pairs[0], 1, -1), *pairs[1:])
        close(np.moveaxis(found, -1, 1).reshape(plain.shape), plain, 1e-9)


@pytest.mark.long
def test_gradients_rematerialised_are_those_of_finite_differences():
    with precision(True):
        points, fps, length = (x[0] for x in batch(dtype=np.float64))
        points, rng = pad(points), np.random.default_rng(0)
        weights, way = rng.normal(size=225), rng.normal(size=points.shape)
        score = lambda p: weights @ dmarkers.compute(p, fps, length=length, smoothing="4253H")  # noqa: E731
        h = 1e-7  # far below every step of the signals: no sign changes
        expected = (score(points + h * way) - score(points - h * way)) / (2 * h)
        slope = fast_to_compile(jax.grad(jax.checkpoint(score)))(points)
        np.testing.assert_allclose(np.vdot(slope, way), expected, rtol=1e-5)
        assert not slope[int(length) :].any()


def test_sharded_inputs_give_what_one_device_gives():
    program = """
import jax, numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
from dfuse_jax import dmarkers
from padded import fast_to_compile
from smiles import batch
points, fps, length = batch(8, dtype=np.float64)
every = fast_to_compile(jax.vmap(lambda p, f, n: dmarkers.compute(p, f, length=n)))
split = NamedSharding(Mesh(np.array(jax.devices()), "v"), P("v"))
found = every(*(jax.device_put(x, split) for x in (points, fps, length)))
assert len(found.sharding.device_set) == 4, found.sharding
np.testing.assert_allclose(found, every(points, fps, length), rtol=1e-9, atol=1e-9)
print("sharded")
"""
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4", "JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "1"}
    here = os.path.dirname(smiles.__file__)
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | flags, cwd=here, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == "sharded", done.stderr


def traced(function, *arguments):
    """Returns the operations of a function, as text without the addresses of objects."""
    return re.sub("0x[0-9a-f]+", "", str(jax.make_jaxpr(function)(*arguments)))


def traces():
    """Traces every function that computes something, with every option; returns the operations of each."""
    points, fps, _ = batch(2)
    mesh, lip = np.zeros((20, 478, 3), np.float32), points[0, :, 0, 0]
    length, aspect = 7, np.float32(0.7)
    texts = []
    for options in OPTIONS:
        compute = functools.partial(dmarkers.compute, **options)
        texts.append(traced(lambda p, f, n, a, c=compute: c(p, f, length=n, aspect=a), mesh, fps[0], length, aspect))
        texts.append(traced(lambda p, f, c=compute: jax.vmap(jax.grad(lambda p, f: c(p, f).sum()))(p, f), points, fps))
        of_signals = functools.partial(dmarkers.signals, **options)
        texts.append(traced(lambda p, n, a, s=of_signals: s(p, length=n, aspect=a), mesh, length, aspect))
    for definition in ("paper", "authors"):
        texts.append(traced(lambda x, n, d=definition: dmarkers.phases(x, length=n, definition=d), lip, length))
    texts.append(traced(lambda p, a: dmarkers.head_pose(p, aspect=a), mesh, aspect))
    return texts


@pytest.mark.long
def test_ranks_are_never_promoted_silently():
    """The same operations as without the option, so the same numbers."""
    expected, lip = traces(), np.array([1.0, 2, 3, 3, 2])
    phases = dmarkers.phases(lip)
    with jax.numpy_rank_promotion("raise"):
        assert traces() == expected
        np.testing.assert_array_equal(dmarkers.phases(lip), phases)  # one that runs, and is small


@pytest.mark.long
def test_no_tracer_leaks():
    points, fps, _ = batch(2, frames=19)  # no other test's number: JAX does not trace again what it has traced
    slope = jax.grad(lambda p, f: dmarkers.compute(p, f).sum())
    with jax.checking_leaks():
        jax.eval_shape(lambda p, f: dmarkers.compute(p, f, smoothing="4253H"), points[0], fps[0])
        jax.eval_shape(jax.jit(jax.vmap(slope)), points, fps)


def test_arrays_on_the_device_stay_there():
    points = rough(np.random.default_rng(0), FRAMES, "smooth").astype(np.float32)
    expected = compute(points, wide=False)
    landmarks, fps, lip = jax.device_put((points, np.float32(25), points[:, 0, 0]))
    with jax.transfer_guard("disallow"):
        features = dmarkers.compute(landmarks, fps)
        dmarkers.signals(landmarks)
        dmarkers.phases(lip)
        dmarkers.head_pose(landmarks)
    np.testing.assert_array_equal(features, expected)
    with jax.transfer_guard("disallow"), contextlib.suppress(jax.errors.JaxRuntimeError):
        dmarkers.compute(points, 25.0)
        pytest.fail("The guard lets everything pass on this device, so the test says nothing.")

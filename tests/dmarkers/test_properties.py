"""D-Markers: what must not change them, what must, and that no input or JAX transformation breaks them."""

import functools
import os
import subprocess
import sys

import hypothesis
import hypothesis.extra.numpy as hnp
import jax
import numpy as np
import pytest
import smiles
from hypothesis import strategies as st
from smiles import FACE, batch, precision, rotation, rough, smile

from dfuse_jax import dmarkers

FRAMES = 40
SETTINGS = hypothesis.settings(max_examples=25, deadline=None, derandomize=True)
MIRROR = [5, 4, 3, 2, 1, 0, 7, 6, 8, 10, 9]  # p1 <-> p6, p2 <-> p5, p3 <-> p4, cheeks, nose, lip corners
SEEDS = st.integers(0, 2**32 - 1)


@functools.cache
def compiled(**options):
    return jax.jit(
        lambda points, fps, length, aspect: dmarkers.compute(points, fps, length=length, aspect=aspect, **options)
    )


def compute(points, *, fps=25.0, aspect=1.0, wide=True, **options):
    """Features of a sequence of at most FRAMES frames, padded with rubbish; one compiled program for all."""
    padded = np.full((FRAMES, 11, 3), np.nan, np.float64 if wide else np.float32)
    padded[: len(points)] = points
    with precision(wide):
        return np.asarray(compiled(**options)(padded, fps, len(points), aspect))


@functools.cache
def compiled_signals():
    return jax.jit(lambda points, length: dmarkers.signals(points, length=length))


def signals(points, *, wide=True):
    """Signals of a sequence of at most FRAMES frames: three arrays [3, T]."""
    padded = np.full((FRAMES, 11, 3), np.nan, np.float64 if wide else np.float32)
    padded[: len(points)] = points
    with precision(wide):
        found = compiled_signals()(padded, len(points))
    return dmarkers.Signals(*(np.asarray(side)[:, : len(points)] for side in found))


def close(found, expected, digits=1e-8):
    np.testing.assert_allclose(found, expected, rtol=digits, atol=digits)


sequences = st.builds(
    lambda seed, frames, kind: rough(np.random.default_rng(seed), frames, kind),
    SEEDS,
    st.integers(1, FRAMES),
    st.sampled_from(["smooth", "jittery", "wild"]),
)


@SETTINGS
@hypothesis.given(sequences, SEEDS, st.booleans())
def test_turning_moving_and_scaling_the_head_changes_nothing(points, seed, constant):
    rng = np.random.default_rng(seed)
    frames = 1 if constant else len(points)
    turn = np.stack([rotation(rng) for _ in range(frames)])
    moved = rng.uniform(0.1, 10, (frames, 1, 1)) * (points @ turn) + rng.normal(size=(frames, 1, 3))
    close(compute(moved), compute(points))


@SETTINGS
@hypothesis.given(sequences, st.floats(0.3, 3))
def test_the_images_aspect_changes_nothing(points, aspect):
    image = points / np.array([1, aspect, 1])  # y as a fraction of the image's height
    close(compute(image, aspect=aspect), compute(points))


def mirrored(points):
    return points[:, MIRROR] * np.array([-1, 1, 1])


@SETTINGS
@hypothesis.given(sequences)
def test_mirroring_swaps_left_and_right_and_scales_the_eyes_by_their_widths(points):
    found, seen = signals(points), signals(mirrored(points))
    for before, after in ((found.right, seen.left), (found.left, seen.right), (found.mean, seen.mean)):
        np.testing.assert_allclose(after[1:], before[1:], rtol=1e-9)
    # Eq. 6 measures both eyes by the right one, which is now the other.
    widths = [np.linalg.norm(points[:, a] - points[:, b], axis=-1) for a, b in ((0, 2), (3, 5))]
    np.testing.assert_allclose(seen.mean[0], found.mean[0] * widths[0] / widths[1], rtol=1e-9)
    close(compute(mirrored(points))[75:], compute(points)[75:])


@SETTINGS
@hypothesis.given(sequences)
def test_mirroring_a_face_with_eyes_of_one_width_changes_no_feature(points):
    points = points.copy()
    points[:, 5] = points[:, 3] + (points[:, 2] - points[:, 0])
    close(compute(mirrored(points)), compute(points))


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


@pytest.mark.parametrize(("frames", "smoothing"), [(1, None), (9, "4253H")])
def test_the_padding_changes_nothing(frames, smoothing):
    points = rough(np.random.default_rng(frames), frames, "smooth")
    with precision(True):
        one = functools.partial(dmarkers.compute, smoothing=smoothing)
        alone = np.asarray(jax.jit(one)(points, 25.0))
    close(compute(points, smoothing=smoothing), alone, 1e-10)


@SETTINGS
@hypothesis.given(sequences, st.sampled_from([None, "4253H"]), SEEDS)
def test_what_the_padding_holds_changes_nothing(points, smoothing, seed):
    rng = np.random.default_rng(seed)
    padded = rng.choice([np.nan, np.inf, -1e30, 0.0, 1.0], (FRAMES, 11, 3))
    padded[: len(points)] = points
    with precision(True):
        found = compiled(smoothing=smoothing)(padded, 25.0, len(points), 1.0)
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


DEGENERATE = {
    "all points in one place": range(11),
    "the right eye's corners": [0, 2],
    "the two eyes": [0, 2, 3, 5],
    "the cheeks": [6, 7],
    "the lip corners": [9, 10],
    "lid and corners": [0, 1, 2],
}


slopes = jax.jit(jax.value_and_grad(lambda p: dmarkers.compute(p, 25.0).sum()))


@pytest.mark.parametrize("which", DEGENERATE.values(), ids=DEGENERATE)
def test_points_in_one_place_give_finite_features_and_gradients(which):
    points = smile([1, 1.2, 1.6, 1.5, 1.1]).astype(np.float32)
    points[1:3, list(which)] = points[1:3, list(which)][:, :1]
    for p in (points, points[[1, 0, 2, 3, 4]]):  # from the second frame on, and from the first
        found, slope = slopes(p)
        assert np.isfinite(found)
        assert np.isfinite(slope).all()


def test_a_nose_in_line_with_the_eyes_gives_no_pose_and_finite_features():
    points = smile([1, 1.2, 1.6, 1.5, 1.1])
    points[:, 8] = [0.45, 0.40, 0.0]
    assert np.isfinite(compute(points)).all()
    np.testing.assert_array_equal(dmarkers.signals(points).mean, 0)


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
        points, fps, length = batch(4, dtype=np.float64)
        one = lambda p, f, n: dmarkers.compute(p, f, length=n, smoothing="4253H")  # noqa: E731
        plain = np.stack([one(*row) for row in zip(points, fps, length, strict=True)])
        assert np.count_nonzero(plain) > plain.size / 3
        close(jax.jit(jax.vmap(one))(points, fps, length), plain, 1e-9)
        twice = jax.jit(jax.vmap(jax.vmap(jax.checkpoint(one), in_axes=(-1, 0, 0), out_axes=1)))
        pairs = [np.reshape(x, (2, 2, *x.shape[1:])) for x in (points, fps, length)]
        found = twice(np.moveaxis(pairs[0], 1, -1), *pairs[1:])
        close(np.moveaxis(found, -1, 1).reshape(plain.shape), plain, 1e-9)


def test_mesh_and_selected_points_give_the_same():
    points, fps, _ = batch()
    mesh = np.full((20, 478, 3), np.nan, np.float32)
    mesh[:, list(dmarkers.LANDMARKS)] = points[0]
    found = jax.jit(dmarkers.compute)(mesh, fps[0])
    np.testing.assert_allclose(found, jax.jit(dmarkers.compute)(points[0], fps[0]), rtol=1e-5, atol=1e-5)


def test_gradients_rematerialised_are_those_of_finite_differences():
    with precision(True):
        points, fps, length = (x[0] for x in batch(dtype=np.float64))
        rng = np.random.default_rng(0)
        weights, way = rng.normal(size=225), rng.normal(size=points.shape)
        score = lambda p: weights @ dmarkers.compute(p, fps, length=length, smoothing="4253H")  # noqa: E731
        value = jax.jit(score)
        h = 1e-7  # far below every step of the signals: no sign changes
        expected = (value(points + h * way) - value(points - h * way)) / (2 * h)
        slope = jax.jit(jax.grad(jax.checkpoint(score)))(points)
        np.testing.assert_allclose(np.vdot(slope, way), expected, rtol=1e-5)
        assert not slope[int(length) :].any()


def test_gradients_of_a_still_face_are_finite():
    still = np.tile(FACE, (5, 1, 1)).astype(np.float32)
    slope = np.asarray(jax.jit(jax.jacrev(lambda p: dmarkers.signals(p).mean.sum(axis=1)))(still))
    assert np.isfinite(slope).all()
    assert (np.abs(slope).max(axis=(1, 2, 3)) > 0.1).all()
    assert np.isfinite(slopes(still)[1]).all()


def test_sharded_inputs_give_what_one_device_gives():
    program = """
import jax, numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
from dfuse_jax import dmarkers
from smiles import batch
points, fps, length = batch(8, dtype=np.float64)
every = jax.jit(jax.vmap(lambda p, f, n: dmarkers.compute(p, f, length=n)))
split = NamedSharding(Mesh(np.array(jax.devices()), "v"), P("v"))
found = every(*(jax.device_put(x, split) for x in (points, fps, length)))
assert len(found.sharding.device_set) == 4, found.sharding
np.testing.assert_allclose(found, every(points, fps, length), rtol=1e-9, atol=1e-9)
print("sharded")
"""
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4", "JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "1"}
    here = os.path.dirname(smiles.__file__)
    ran = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | flags, cwd=here, capture_output=True, text=True, timeout=120
    )
    assert ran.stdout.strip() == "sharded", ran.stderr

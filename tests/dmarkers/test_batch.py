"""Many sequences at once: the same as one by one, few compilations, bounded memory."""

import logging

import jax
import numpy as np
import pytest
from padded import FRAMES, compute
from smiles import precision, rough

from dfuse_jax import dmarkers, samples
from dfuse_jax.data import synthetic
from dfuse_jax.dmarkers import _batch


@pytest.fixture(autouse=True)
def small_calls(monkeypatch):
    """Calls of a few sequences, so that a handful fills more than one."""
    monkeypatch.setattr(_batch, "FRAMES_PER_CALL", 256)
    monkeypatch.setattr(_batch, "VIDEO", 128)


def make(*lengths, seed=0):
    rng = np.random.default_rng(seed)
    return [rough(rng, length, "smooth") for length in lengths]


@pytest.mark.parametrize("options", [{}, {"smoothing": "4253H"}], ids=str)
def test_every_sequence_has_the_features_it_has_alone(options):
    sequences = make(30, 3, FRAMES, 1, 25, 17)
    fps, aspect = np.linspace(20, 60, 6), np.linspace(0.5, 1.5, 6)
    with precision(True):
        features = dmarkers.compute_batch(sequences, fps, aspect=aspect, **options)
    assert features.dtype == np.float64
    alone = [compute(p, fps=f, aspect=a, **options) for p, f, a in zip(sequences, fps, aspect, strict=True)]
    np.testing.assert_allclose(features, alone, rtol=1e-9, atol=1e-9)


def test_dmarkers_of_padded_videos_are_those_of_each_alone():
    videos = synthetic.generate(4, 2, seed=5, frames=(20, FRAMES))
    fps, aspect = [video.fps for video in videos], [video.aspect for video in videos]
    together = dmarkers.compute_batch([video.landmarks for video in videos], fps, aspect=aspect, smoothing="4253H")
    points = list(dmarkers.LANDMARKS)
    for row, video in zip(together, videos, strict=True):
        options = {"fps": video.fps, "aspect": video.aspect, "smoothing": "4253H"}
        alone = compute(video.landmarks[:, points], wide=False, **options)
        # float32; accelerations are differences twice over
        np.testing.assert_allclose(row, alone, rtol=1e-3, atol=1e-3)
    scaled = [samples.scale(video.landmarks) for video in videos]
    published = dmarkers.compute_batch(scaled, fps, aspect=aspect, definition="authors")
    alone = compute(scaled[1][:, points], fps=1.0, wide=False, definition="authors")
    np.testing.assert_allclose(published[1], alone, rtol=1e-3, atol=1e-3)


def test_other_lengths_and_numbers_of_sequences_compile_nothing_new(caplog):
    def compilations(*lengths, **options):
        caplog.clear()
        with jax.log_compiles(), caplog.at_level(logging.WARNING):
            features = dmarkers.compute_batch(make(*lengths), 25.0, **options)
        assert features.shape == (len(lengths), 225)
        return [record.getMessage() for record in caplog.records if "Compiling" in record.getMessage()]

    compilations(20)
    assert compilations(64, 1, 33, 7, 12, 60, 3) == []
    assert compilations(*range(1, 30)) == []
    assert len(compilations(20, 65)) == 1  # a longer one: one more shape
    assert compilations(100, 64, 128, 90) == []


def test_calls_are_as_many_as_the_frames_need(monkeypatch):
    shapes = []

    def record(points, *arguments, **options):
        shapes.append(points.shape)
        return np.full((len(points), 225), len(shapes), np.float32)

    monkeypatch.setattr(_batch, "compute_padded", record)
    features = dmarkers.compute_batch(make(10, 200, 64, 2, 100, 3, 4, 5), 25.0)
    # Six short ones at four a call of 4 x 64 frames, one of 128 at two a call, one of 200 in 512 by itself.
    assert sorted(shapes) == [(1, 512, 11, 3), (2, 128, 11, 3), (4, 64, 11, 3), (4, 64, 11, 3)]
    assert features[:, 0].tolist() == [1, 4, 1, 1, 3, 1, 2, 2]


def test_a_lost_video_has_no_features_and_the_others_have_theirs():
    sequences = make(30, 12, 20)
    expected = dmarkers.compute_batch(sequences, 25.0)
    sequences[1] = sequences[1].copy()
    sequences[1][4, 7] = np.nan
    features = dmarkers.compute_batch(sequences, 25.0)
    assert np.isnan(features[1]).all()
    np.testing.assert_array_equal(features[[0, 2]], expected[[0, 2]])
    features = dmarkers.compute_batch(make(30, 12, 20), [25.0, 0.0, 25.0])
    assert np.isnan(features[1]).all()
    np.testing.assert_array_equal(features[[0, 2]], expected[[0, 2]])


def test_a_generator_is_read_once_and_a_padded_array_is_taken_as_its_rows():
    sequences = make(12, 12, 12)
    expected = dmarkers.compute_batch(sequences, 25.0)
    np.testing.assert_array_equal(dmarkers.compute_batch((p for p in sequences), 25.0), expected)
    np.testing.assert_array_equal(dmarkers.compute_batch(np.stack(sequences), 25.0), expected)
    mesh = np.full((12, 478, 3), np.nan)
    mesh[:, list(dmarkers.LANDMARKS)] = sequences[1]
    np.testing.assert_array_equal(dmarkers.compute_batch([sequences[0], mesh, sequences[2]], 25.0), expected)


def test_no_sequences_give_no_rows():
    assert dmarkers.compute_batch([], 25.0).shape == (0, 225)
    assert dmarkers.compute_batch([], [], aspect=[]).shape == (0, 225)


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match=r"sequence 1: landmarks have shape \(5, 10, 3\)"):
        dmarkers.compute_batch([np.ones((5, 11, 3)), np.ones((5, 10, 3))], 25.0)
    with pytest.raises(ValueError, match=r"fps has shape \(3,\), expected one number or one for each of 2 sequences"):
        dmarkers.compute_batch(make(3, 4), [25.0, 25.0, 25.0])
    with pytest.raises(ValueError, match=r"aspect has shape \(1,\)"):
        dmarkers.compute_batch(make(3, 4), 25.0, aspect=[1.0])


def test_it_runs_where_implicit_transfers_are_refused():
    expected = dmarkers.compute_batch(make(12, 30), 25.0)
    with jax.transfer_guard("disallow"):
        np.testing.assert_array_equal(dmarkers.compute_batch(make(12, 30), 25.0), expected)

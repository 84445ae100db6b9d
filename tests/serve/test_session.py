"""A face as a stream: what a recording of the same frames gives, and what cameras do that recordings do not."""

import functools

import numpy as np
import pytest
from live import FPS, feed, smile_with_rests

from dfuse_jax.experiments import analyse, people
from dfuse_jax.extract.recording import Recording
from dfuse_jax.serve import session

IMAGE = (640, 360)


@functools.cache
def smile():
    return smile_with_rests()


def recorded(folder, landmarks, fps=FPS):
    """A recording of these landmarks, NaN where there is no face."""
    landmarks.astype(np.float32).tofile(folder / "person_1.f32")
    flags = (np.zeros(len(landmarks), np.uint16),)
    return Recording(folder, "clip", "0-0", IMAGE, fps, np.arange(len(landmarks), dtype=float), flags, ())


def without_face(landmarks, frames):
    cut = landmarks.copy()
    cut[frames] = np.nan
    return cut


def as_frames(landmarks):
    return [None if np.isnan(points[0, 0]) else points for points in landmarks]


def completed(moments):
    return [moment.complete for moment in moments if moment.complete is not None]


@pytest.mark.parametrize("lost", [[], [60, 61, 62], list(range(5)), list(range(55, 70))], ids=str)
def test_signals_and_smiles_are_those_of_the_recording(lost, tmp_path):
    """Without a loss; with one that is interpolated; without a face at first; and with one that cuts the smile."""
    landmarks = without_face(np.concatenate([smile(), smile()]), lost)
    person = people.find(recorded(tmp_path, landmarks), 0)
    moments = feed(as_frames(landmarks), np.arange(len(landmarks)) / FPS)
    signals = np.stack([moment.signals for moment in moments], axis=1)
    np.testing.assert_allclose(signals, person.signals[:, : signals.shape[1]], atol=1e-5)
    assert signals.shape[1] >= len(landmarks) - 1
    smiles = completed(moments)
    ended = [one for one in person.smiles if one.end < len(landmarks) - FPS]
    assert len(smiles) == len(ended) >= 2
    for ours, theirs in zip(smiles, ended, strict=True):
        assert ours.begin * FPS == pytest.approx(theirs.begin, abs=0.01)
        assert ours.end * FPS == pytest.approx(theirs.end, abs=0.01)
        assert ours.amplitude == pytest.approx(theirs.amplitude, abs=1e-5)


def test_the_sample_is_that_of_the_recording_but_for_its_end(tmp_path):
    """Within a frame: the recording's is put together in whole frames."""
    landmarks = smile()
    recording = recorded(tmp_path, landmarks)
    (theirs,) = people.find(recording, 0).smiles
    expected = people.cut(recording, 0, theirs, name="smile 1").landmarks
    (ours,) = completed(feed(landmarks, np.arange(len(landmarks)) / FPS))
    sample = session.to_sample(ours)
    assert (sample.fps, sample.interpolated, sample.image_size) == (pytest.approx(FPS), (), IMAGE)
    margin = round((session.MARGIN - session.AFTER) * FPS)
    assert abs(len(expected) - margin - len(sample.landmarks)) <= 2
    offset = next(k for k in range(3) if np.array_equal(landmarks[theirs.first + k], sample.landmarks[0]))
    np.testing.assert_array_equal(sample.landmarks, expected[offset : offset + len(sample.landmarks)])


def test_a_varying_frame_rate_changes_neither_the_smile_nor_its_features():
    """The frames of a camera of 100 a second of which one to five are lost at a time, as a busy browser loses them."""
    landmarks = smile()
    fine = np.arange(0, len(landmarks) - 1, 0.25)
    low = fine.astype(int)
    share = (fine - low)[:, None, None]
    dense = ((1 - share) * landmarks[low] + share * landmarks[low + 1]).astype(np.float32)
    steps = np.random.default_rng(0).integers(2, 6, len(dense))
    kept = np.cumsum(steps)[np.cumsum(steps) < len(dense)]
    (even,) = completed(feed(landmarks, np.arange(len(landmarks)) / FPS))
    (uneven,) = completed(feed(dense[kept], fine[kept] / FPS))
    assert uneven.begin == pytest.approx(even.begin, abs=0.04)
    assert uneven.end == pytest.approx(even.end, abs=0.04)
    one, other = session.to_sample(even), session.to_sample(uneven)
    assert other.interpolated == () and 20 < other.fps < 35
    durations = [np.diff(analyse.phase_ends(x)) / x.fps for x in (one, other)]
    np.testing.assert_allclose(durations[0], durations[1], atol=0.1)


def test_provisional_phases_come_in_their_order():
    phases = [moment.phase for moment in feed(smile(), np.arange(len(smile())) / FPS)]
    order = [phase for k, phase in enumerate(phases) if k == 0 or phase != phases[k - 1]]
    assert order[0] == order[-1] == "rest"
    assert next(phase for phase in order if phase != "rest") == "onset" and "apex" in order and order[-2] == "offset"


def test_a_verdict_may_be_worked_out_ahead_of_the_end():
    moments = feed(smile(), np.arange(len(smile())) / FPS)
    (ahead,) = [moment for moment in moments if moment.ahead is not None]
    (complete,) = [moment for moment in moments if moment.complete is not None]
    assert complete.complete is ahead.ahead
    assert session.AFTER <= ahead.time - ahead.ahead.end < session.AFTER + 2 / FPS
    assert complete.time - complete.complete.end < 0.6
    assert not any(moment.withdrawn for moment in moments)


def test_lips_that_rise_again_withdraw_it():
    landmarks = smile()
    phases = [moment.phase for moment in feed(landmarks, np.arange(len(landmarks)) / FPS)]
    ahead_at = next(k for k, m in enumerate(feed(landmarks, np.arange(len(landmarks)) / FPS)) if m.ahead is not None)
    peak = phases.index("apex") + 3
    again = np.concatenate(
        [landmarks[: ahead_at + 1], np.repeat(landmarks[peak : peak + 1], 20, axis=0), landmarks[peak:]]
    )
    moments = feed(again, np.arange(len(again)) / FPS)
    assert sum(moment.withdrawn for moment in moments) == 1
    assert len(completed(moments)) == 1 and completed(moments)[0].end > (ahead_at + 20) / FPS


def test_nobody_has_no_signals():
    moments = feed([None] * 5, np.arange(5) / FPS)
    assert [moment.phase for moment in moments] == ["no face"] * 5
    assert all(np.isnan(moment.signals).all() for moment in moments)


def test_a_pause_of_the_camera_is_a_time_without_a_face():
    """A hidden page sends nothing: the smile that was under way ends with its last frame."""
    landmarks = smile()
    middle = len(landmarks) // 2
    times = np.arange(len(landmarks)) / FPS + np.where(np.arange(len(landmarks)) > middle, 30.0, 0.0)
    smiles = completed(feed(landmarks, times))
    assert smiles[0].end <= times[middle] + 0.01
    assert all(np.isfinite(one.begin) and one.begin < one.end for one in smiles)


def test_time_goes_forward():
    stream = session.Session(IMAGE)
    stream.step(session.Frame(1.0, smile()[0]))
    with pytest.raises(ValueError, match="not after"):
        stream.step(session.Frame(1.0, smile()[0]))


def test_memory_is_bounded():
    stream = session.Session(IMAGE)
    for number in range(700):
        stream.step(session.Frame(number / 7, smile()[0]))
    assert len(stream._frames) <= session.KEPT * 7 + 1

"""Recordings: landmarks on the disk, in segments, with the face there or not."""

import numpy as np
import pytest
from faces import portrait, smiling, write_video

from dfuse_jax.extract import recording

SIZE = (240, 240)


@pytest.fixture(scope="module")
def comings(tmp_path_factory):
    """A face that is there, gone for 10 frames, and back; and the grey images between."""
    path = tmp_path_factory.mktemp("comings") / "comings.mkv"
    faces = [image for image, _ in smiling(SIZE, frames=40, motion=0.2)]
    grey = np.full_like(faces[0], 90)
    write_video(path, [*faces[:20], *[grey] * 10, *faces[20:]])
    return path


@pytest.fixture(scope="module")
def recorded(comings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("recorded") / "landmarks"
    recording.record(comings, folder)
    return recording.load(folder)


def test_a_face_that_leaves_is_missing_and_refuses_nothing(recorded):
    landmarks = recorded.read(0, 0, 50)
    seen = ~np.isnan(landmarks[:, 0, 0])
    assert seen[:20].all() and not seen[20:30].any() and seen[31:].all()
    assert (len(recorded.positions), recorded.frames, recorded.fps, recorded.aspect) == (50, 50, 25.0, 1.0)
    assert len(recorded.flags) == 1 and recorded.flags[0].shape == (50,)
    np.testing.assert_array_equal(np.concatenate(list(recorded.blocks(0))), landmarks)
    np.testing.assert_array_equal(recorded.read(0, 33, 36), landmarks[33:36])


def test_segments_change_no_landmark(comings, recorded, tmp_path, monkeypatch):
    monkeypatch.setattr(recording, "SEGMENT", 16)
    recording.record(comings, tmp_path / "segments")
    segments = recording.load(tmp_path / "segments")
    np.testing.assert_array_equal(np.concatenate(list(segments.blocks(0))), recorded.read(0, 0, 50))
    assert segments.flags[0].shape == (50,)


def test_no_more_than_two_segments_are_in_memory(comings, tmp_path, monkeypatch):
    lengths = []
    flush = recording._Track.flush

    def watched(track, count):
        lengths.append(len(track.rows))
        flush(track, count)

    monkeypatch.setattr(recording, "SEGMENT", 8)
    monkeypatch.setattr(recording._Track, "flush", watched)
    recording.record(comings, tmp_path / "segments")
    assert max(lengths) == 16


def test_an_unfinished_recording_is_none(comings, tmp_path):
    assert recording.load(tmp_path / "nowhere") is None

    def killed(done, promised):
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        recording.record(comings, tmp_path / "half", on_frame=killed)
    assert recording.load(tmp_path / "half") is None


def test_uneven_frames_are_put_on_an_even_grid(tmp_path):
    times = np.delete(np.arange(30) / 25, [10, 11, 17])
    write_video(tmp_path / "uneven.mp4", [portrait(SIZE)] * 27, times=times)
    recording.record(tmp_path / "uneven.mp4", tmp_path / "landmarks")
    recorded = recording.load(tmp_path / "landmarks")
    assert (len(recorded.positions), recorded.frames) == (27, 30)
    np.testing.assert_allclose(recorded.positions, np.delete(np.arange(30), [10, 11, 17]), atol=0.05)
    assert any("varying rate" in note for note in recorded.notes)

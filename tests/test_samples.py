"""The file of a sample: what is written is read, old files too, and what cannot be used is named."""

import numpy as np
import pytest

from dfuse_jax import samples
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.samples import Sample


def _sample(**changes):
    landmarks = np.random.default_rng(0).uniform(size=(5, 478, 3)).astype(np.float32)
    fields = {"name": "a", "landmarks": landmarks, "fps": 29.97, "image_size": (320, 240)}
    return Sample(**(fields | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"label": 0, "subject": "someone", "source": "12-00ab34cd", "interpolated": (1, 3)},
        {"flags": np.arange(5, dtype=np.uint16)},
    ],
)
def test_a_sample_is_read_as_it_was_written(tmp_path, changes):
    sample = _sample(**changes)
    samples.save(sample, tmp_path / "a.npz")
    back = samples.load(tmp_path / "a.npz")
    np.testing.assert_array_equal(back.landmarks, sample.landmarks)
    assert back.landmarks.dtype == np.float32
    for field in ("name", "fps", "image_size", "label", "subject", "source", "interpolated"):
        assert getattr(back, field) == getattr(sample, field)
    assert (back.flags is None) == (sample.flags is None)
    assert sample.flags is None or back.flags.tolist() == sample.flags.tolist()


def test_the_record_is_kept_in_the_file(tmp_path):
    (tmp_path / "a.npz").write_bytes(samples.encode(_sample(), {"decoded": 5, "notes": ["a", "b"]}))
    assert samples.load_record(tmp_path / "a.npz") == {"decoded": 5, "notes": ["a", "b"]}
    samples.save(_sample(), tmp_path / "b.npz")
    assert samples.load_record(tmp_path / "b.npz") is None


def test_the_same_sample_gives_the_same_bytes():
    assert samples.encode(_sample(), {"decoded": 5}) == samples.encode(_sample(), {"decoded": 5})


def test_old_files_are_read(tmp_path):
    """As they were before there were interpolated frames, flags and records."""
    sample = _sample()
    old = {"name": "a", "landmarks": sample.landmarks, "fps": 25.0, "image_size": (320, 240), "label": 1}
    np.savez_compressed(tmp_path / "old.npz", **old)
    loaded = samples.load(tmp_path / "old.npz")
    assert (loaded.interpolated, loaded.flags, loaded.subject, loaded.label) == ((), None, None, 1)
    assert samples.load_record(tmp_path / "old.npz") is None
    assert samples.is_old(tmp_path / "old.npz")


def test_a_file_says_its_format_and_that_of_a_later_version_is_refused(tmp_path, monkeypatch):
    samples.save(_sample(), tmp_path / "new.npz")
    assert not samples.is_old(tmp_path / "new.npz")
    monkeypatch.setattr(samples, "FORMAT", samples.FORMAT + 1)
    samples.save(_sample(), tmp_path / "later.npz")
    monkeypatch.undo()
    with pytest.raises(UserError, match=r"later\.npz was made by a later dfuse_jax .* Update dfuse_jax"):
        samples.load(tmp_path / "later.npz")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.npz: no such file") as error:
        samples.load(tmp_path / "none.npz")
    assert error.value.remedy == "samples"


def test_a_broken_landmark_is_named_and_its_frames_are_counted():
    landmarks = _sample().landmarks.copy()
    landmarks[2, 7, 1] = np.nan
    landmarks[2, 9, 0] = np.inf
    landmarks[4, 0, 0] = np.nan
    with pytest.raises(UserError, match=r"a: landmark 7 of frame 2 is NaN or infinite \(2 such frames\)"):
        samples.validate(_sample(landmarks=landmarks))


def test_scaling_brings_the_published_range_to_0_and_1():
    ends = np.stack([samples.SCALE_MIN, samples.SCALE_MAX])
    np.testing.assert_allclose(samples.scale(ends), [[0, 0, 0], [1, 1, 1]])


def test_the_aspect_is_height_over_width():
    assert _sample(image_size=(720, 576)).aspect == 0.8


def _chips(frames=5, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (frames, 128, 128, 3), np.uint8)


def test_chips_are_read_as_they_were_written_and_landmarks_without_them(tmp_path):
    sample = _sample(chip_source=_chips())
    samples.save(sample, tmp_path / "a.npz", chips=True)
    samples.save(sample, tmp_path / "without.npz")
    back = samples.load(tmp_path / "a.npz")
    np.testing.assert_array_equal(back.chips, _chips())
    np.testing.assert_array_equal(back.landmarks, samples.load(tmp_path / "without.npz").landmarks)
    assert samples.load(tmp_path / "without.npz").chip_source is None
    assert samples.encode(back, chips=True) == samples.encode(sample, chips=True) == (tmp_path / "a.npz").read_bytes()


def test_what_readers_of_other_programs_find_are_changes_of_chips(tmp_path):
    samples.save(_sample(chip_source=_chips()), tmp_path / "a.npz", chips=True)
    with np.load(tmp_path / "a.npz") as file:
        np.testing.assert_array_equal(np.cumsum(file["chip_changes"], axis=0, dtype=np.uint8), _chips())


def test_a_sample_without_chips_says_so():
    with pytest.raises(UserError, match=r"a: has no pictures of the face \(chips\)\. Extract the video again"):
        _ = _sample().chips
    with pytest.raises(UserError, match="a: has 4 chips, but 5 frames"):
        _ = _sample(chip_source=_chips(4)).chips
    with pytest.raises(UserError, match="a: has 0 chips, but 5 frames"):
        samples.encode(_sample(), chips=True)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (_chips()[:, :64], r"chips are uint8 of shape \[5, 64, 128, 3\], expected uint8 \[5, 128, 128, 3\]"),
        (_chips()[..., 0], r"shape \[5, 128, 128\]"),  # grey
        (_chips().astype(np.float32), "chips are float32"),
        (_chips(4), r"shape \[4, 128, 128, 3\], expected uint8 \[5, 128"),
    ],
)
def test_chips_of_another_kind_are_refused_before_they_are_read(tmp_path, array, words):
    sample = _sample()
    fields = {"name": "a", "landmarks": sample.landmarks, "fps": 25.0, "image_size": (320, 240), "format": 1}
    np.savez(tmp_path / "a.npz", **fields, chip_changes=array)
    with pytest.raises(UserError, match=words):
        samples.load(tmp_path / "a.npz")


def test_damaged_chips_are_refused(tmp_path):
    samples.save(_sample(chip_source=_chips()), tmp_path / "a.npz", chips=True)
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[len(content) // 2] ^= 0xFF  # in the chips, which are most of it
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.npz: its chips cannot be read .*\. Extract the video again"):
        _ = samples.load(tmp_path / "a.npz").chips

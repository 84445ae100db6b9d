"""How good landmarks are: against noise of a known size, and heads turned by known angles."""

import dataclasses

import numpy as np
import pytest

from dfuse_jax import dmarkers
from dfuse_jax.extract import flags, quality
from dfuse_jax.samples import Sample


def _face(rng):
    """A face without features, 0.2 wide between the outer corners of the eyes."""
    face = rng.uniform(0.3, 0.7, (478, 3))
    face[33, :2], face[263, :2] = (0.4, 0.4), (0.6, 0.4)
    return face


def test_jitter_is_the_deviation_of_the_noise():
    """A steady face that moves and grows evenly, with noise of a known size, in per cent of the eyes' distance."""
    rng = np.random.default_rng(0)
    moving = _face(rng) + np.linspace(0, 0.1, 200)[:, None, None]
    noise = rng.normal(0, 0.002, moving.shape)
    assert quality.jitter(moving, 1.0) == 0
    assert quality.jitter(moving + noise, 1.0) == pytest.approx(1, rel=0.03)
    assert quality.jitter(moving[:2], 1.0) is None


def _rolling(degrees, aspect):
    """Landmarks of a flat face with a nose, rolled in the image by the degrees of every frame."""
    face = np.zeros((478, 3))
    eyes = {33: (-0.10, 0), 133: (-0.04, 0), 362: (0.04, 0), 263: (0.10, 0)}
    for landmark, place in eyes.items():
        face[landmark, :2] = place
    face[1] = (0, 0.06, -0.05)
    angles = np.radians(degrees)
    x = face[:, 0] * np.cos(angles)[:, None] - face[:, 1] * np.sin(angles)[:, None]
    y = face[:, 0] * np.sin(angles)[:, None] + face[:, 1] * np.cos(angles)[:, None]
    z = np.broadcast_to(face[:, 2], x.shape)
    return np.stack([0.5 + x, 0.5 + y / aspect, z], axis=-1).astype(np.float32)


@pytest.mark.parametrize("frames", [1, 64, 65, 300])
def test_head_turns_are_those_of_the_frames(frames):
    """The left eye goes down by a positive roll (y points down), whatever number of frames is padded to."""
    degrees = np.linspace(-12.5, 20, frames) if frames > 1 else np.array([-12.5])
    sample = Sample("rolling", _rolling(degrees, 0.75), 25.0, (640, 480))
    turns = quality.head_turns(sample)
    assert turns["roll"] == pytest.approx([degrees[0], degrees[-1]], abs=0.01)
    assert turns["yaw"] == pytest.approx([0, 0], abs=0.01)
    assert turns["pitch"] == pytest.approx([0, 0], abs=0.01)


def test_few_programs_are_compiled_for_many_lengths(monkeypatch):
    shapes = set()

    def head_pose(points, aspect):
        shapes.add(points.shape)
        return np.zeros((len(points), 3))

    monkeypatch.setattr(quality, "_head_pose", head_pose)
    for frames in (5, 20, 63, 64, 65, 90, 128):
        quality.head_turns(Sample("some", _rolling(np.zeros(frames), 1.0), 25.0, (100, 100)))
    assert shapes == {(64, 11, 3), (128, 11, 3)}


def test_measured_and_written_in_the_table():
    landmarks = _rolling(np.zeros(10), 0.75)
    bits = flags.pack({"repeated": np.arange(10) < 2, "covered": np.arange(10) < 4})
    sample = Sample("still", landmarks, 25.0, (640, 480), interpolated=(3,), flags=bits)
    record = {
        "decoded": 10,
        "lost": 1,
        "frames": 10,
        "fps": 25.0,
        "size": [640, 480],
        "resampled": False,
    }
    record |= {"interpolated": [3], "other_faces": 2}
    measured = quality.measure(sample, record)
    assert (measured["detection_rate"], measured["flags"]["covered"]) == (0.9, 0.4)
    assert measured.keys() == {"detection_rate", "flags", "jitter", "roll", "yaw", "pitch"}
    row = quality.row("still", record | {"quality": measured | {"yaw": [-3.0, 4.0]}})
    assert row.keys() | {"error"} == set(quality.COLUMNS)
    assert (row["yaw_min"], row["yaw_max"], row["interpolated"], row["other_faces"]) == (-3.0, 4.0, 1, 2)
    assert (row["repeated"], row["covered"], row["dark"]) == (0.2, 0.4, 0)
    unknown = measured | {"flags": {}}  # of a file of version 0.1
    assert "covered" not in quality.row("still", record | {"quality": unknown})
    assert quality.row("bad", {"error": "no face"}) == {"name": "bad", "error": "no face"}


def test_the_order_of_the_angles_is_that_of_the_dmarkers():
    rng = np.random.default_rng(3)
    landmarks = np.tile(_rolling(np.zeros(1), 0.75), (40, 1, 1)) + rng.normal(0, 0.003, (40, 478, 3)).astype(np.float32)
    sample = Sample("rough", landmarks, 25.0, (640, 480))
    angles = np.asarray(dmarkers.head_pose(landmarks, aspect=sample.aspect))
    turns = quality.head_turns(dataclasses.replace(sample))
    for column, name in enumerate(("roll", "yaw", "pitch")):
        assert turns[name] == pytest.approx([angles[:, column].min(), angles[:, column].max()], abs=0.006)

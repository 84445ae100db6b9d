"""Videos at another frame rate."""

import dataclasses

import numpy as np
import pytest

from dfuse_jax.data.rate import resample
from dfuse_jax.samples import Sample


def moving(frames, fps):
    """A face that moves evenly, one unit in 10 seconds, whose chips hold the number of their frame."""
    seconds = np.arange(frames) / fps
    landmarks = np.broadcast_to((seconds / 10)[:, None, None], (frames, 478, 3)).astype(np.float32)
    return Sample(
        "a",
        landmarks,
        fps=fps,
        image_size=(640, 480),
        interpolated=(2,),
        flags=np.arange(frames, dtype=np.uint16),
        chip_source=[np.full((128, 128, 3), frame, np.uint8) for frame in range(frames)],
    )


@pytest.mark.parametrize(
    ("old", "new", "frames"), [(50.0, 25.0, 6), (25.0, 50.0, 21), (29.0, 25.0, 9), (25.0, 29.0, 12)]
)
def test_landmarks_are_where_they_were_at_that_time(old, new, frames):
    changed = resample(moving(11, old), new)
    assert changed.fps == new and len(changed.landmarks) == frames
    np.testing.assert_allclose(changed.landmarks[:, 0, 0], np.arange(frames) / new / 10, atol=1e-7)
    assert len(changed.landmarks) - 1 <= 10 / old * new < len(changed.landmarks)  # as long as it was


def test_flags_chips_and_made_up_frames_are_those_of_the_nearest_frame():
    changed = resample(moving(11, 50.0), 25.0)
    assert changed.flags.tolist() == [0, 2, 4, 6, 8, 10]
    assert changed.chips[:, 0, 0, 0].tolist() == [0, 2, 4, 6, 8, 10]
    assert changed.interpolated == (1,)
    faster = resample(moving(3, 25.0), 100.0)
    np.testing.assert_array_equal(faster.chips[:, 0, 0, 0], faster.flags)
    assert len(faster.landmarks) == 9


def test_a_video_of_that_rate_stays_as_it_is():
    sample = dataclasses.replace(moving(5, 25.0), flags=None, chip_source=None)
    assert resample(sample, 25.0) is sample
    assert resample(sample, 50.0).flags is None and resample(sample, 50.0).chip_source is None
    assert len(resample(moving(1, 25.0), 50.0).landmarks) == 1

"""Input that cannot be used, and what is said about it."""

import re

import numpy as np
import pytest
from smiles import smile

from dfuse_jax import dmarkers


@pytest.mark.parametrize("shape", [(5, 10, 3), (5, 478, 2), (0, 11, 3), (2, 5, 11, 3), (33,)])
def test_wrong_shapes_are_named(shape):
    calls = (dmarkers.compute, dmarkers.validate, lambda points, fps: dmarkers.compute_batch([points], fps))
    for call in (*calls, lambda points, fps: dmarkers.signals(points), lambda points, fps: dmarkers.head_pose(points)):
        with pytest.raises(ValueError, match=re.escape(f"{shape}, expected [T, 478, 3] or [T, 11, 3]")):
            call(np.ones(shape), 25.0)


def test_what_is_not_one_number_is_named():
    points = smile([1, 2, 3])
    with pytest.raises(ValueError, match=r"fps has shape \(3,\)"):
        dmarkers.compute(points, np.ones(3))
    with pytest.raises(ValueError, match=r"length has shape \(1,\)"):
        dmarkers.compute(points, 25.0, length=np.ones(1, int))
    with pytest.raises(ValueError, match=r"aspect has shape \(2,\)"):
        dmarkers.head_pose(points, aspect=np.ones(2))
    with pytest.raises(ValueError, match=r"length has shape \(1,\)"):
        dmarkers.phases(np.ones(3), length=np.ones(1, int))
    with pytest.raises(ValueError, match=r"the lip signal has shape \(3, 2\)"):
        dmarkers.phases(np.ones((3, 2)))


def test_validate_names_the_first_bad_frame_and_landmark():
    points = smile([1, 2, 3, 4])
    dmarkers.validate(points, 25)
    points[3, 2, 0], points[2, 9, 1] = np.inf, np.nan
    with pytest.raises(ValueError, match=r"frame 2: point 10 \(landmark 62\) .*2 of 4 frames"):
        dmarkers.validate(points, 25)
    dmarkers.validate(points, 25, length=2)
    mesh = np.zeros((4, 478, 3))
    mesh[1, 77] = np.nan
    with pytest.raises(ValueError, match="frame 1: landmark 77"):
        dmarkers.validate(mesh, 25)


@pytest.mark.parametrize("value", [0, -25.0, float("nan"), float("inf")])
def test_validate_refuses_a_frame_rate_or_an_aspect_that_is_not_positive(value):
    with pytest.raises(ValueError, match=f"the frame rate is {value}"):
        dmarkers.validate(smile([1, 2]), value)
    with pytest.raises(ValueError, match=f"the aspect is {value}"):
        dmarkers.validate(smile([1, 2]), 25, aspect=value)


@pytest.mark.parametrize("length", [0, -1, 3])
def test_validate_refuses_a_length_beyond_the_frames(length):
    with pytest.raises(ValueError, match=f"the length is {length}, expected 1 to 2"):
        dmarkers.validate(smile([1, 2]), 25, length=length)

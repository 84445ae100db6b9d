"""The face at rest, and how it moves."""

import numpy as np
import pytest

from dfuse_jax import samples
from dfuse_jax.data.synthetic import muscles


def test_neutral_face_is_a_face_at_rest():
    face = muscles.neutral_face()
    assert face.shape == (samples.NUM_LANDMARKS, 3)
    # Adults' mouths are about 50 mm wide and their pupils 63 mm apart: 0.8 of the eye distance.
    assert np.linalg.norm(face[61] - face[291]) == pytest.approx(0.8, abs=0.08)
    assert 0 < face[14, 1] - face[13, 1] < 0.03  # lips together
    assert face[:, 2].argmin() in (1, 4)  # the nose's tip comes first
    assert face[10, 1] < face[159, 1] < face[145, 1] < face[1, 1] < face[13, 1] < face[152, 1]  # forehead to chin
    sides = face[[33, 61, 50, 159]] * (-1, 1, 1)
    np.testing.assert_allclose(sides, face[[263, 291, 280, 386]], atol=0.06)


def test_every_caller_gets_the_same_face_and_cannot_change_it():
    assert muscles.neutral_face() is muscles.neutral_face()
    with pytest.raises(ValueError, match="read-only"):
        muscles.neutral_face()[0] = 0


def test_a_bump_moves_its_landmark_and_fades_as_a_gaussian():
    face = muscles.neutral_face()
    field = muscles.bump(face, 61, (1, -2, 3), radius=0.2)
    np.testing.assert_allclose(field[61], (1, -2, 3))
    distance = np.linalg.norm(face - face[61], axis=1)
    np.testing.assert_allclose(field[:, 0], np.exp(-0.5 * (distance / 0.2) ** 2), rtol=1e-5, atol=1e-12)


def test_closed_eyes_are_closed_and_the_upper_lid_goes_most_of_the_way():
    face = muscles.neutral_face()
    for eye, field in zip(muscles.LIDS, muscles.muscles(face)[4:6], strict=True):
        upper, lower = (list(lid)[1:-1] for lid in eye)  # the corners' neighbours are interpolated beyond the other lid
        before = np.interp(face[upper, 0], face[lower, 0], face[lower, 1]) - face[upper, 1]
        after = face + field
        rest = np.interp(after[upper, 0], after[lower, 0], after[lower, 1]) - after[upper, 1]
        assert (np.abs(rest) < 0.1 * before.max()).all()
        assert (field[upper, 1] > 2 * -field[lower, 1]).all()


def test_each_muscle_moves_its_own_side():
    face = muscles.neutral_face()
    fields = muscles.muscles(face)
    assert fields.shape == (len(muscles.MUSCLES), samples.NUM_LANDMARKS, 3)
    for name, right, left in (("smile", 61, 291), ("cheek", 50, 280), ("lids", 159, 386)):
        first = muscles.MUSCLES.index(name)
        for field, near, far in ((fields[first], right, left), (fields[first + 1], left, right)):
            assert np.linalg.norm(field[near]) > 5 * np.linalg.norm(field[far])
    smile = fields[0] + fields[1]
    assert smile[61, 0] < 0 < smile[291, 0]  # lip corners go outwards
    assert (smile[[61, 291], 1] < 0).all()  # and up
    assert fields[6, 17, 1] > 0 and fields[6, 13, 1] == 0  # the lower lip goes down, the upper one stays

"""The script that made the face at rest."""

import sys

import numpy as np
import pytest

from dfuse_jax.data.synthetic import muscles, neutral_face
from dfuse_jax.runtime.errors import UserError


def test_neutral_face_is_what_the_script_makes():
    np.testing.assert_allclose(neutral_face.make(), muscles.neutral_face(), atol=0.005)


def test_script_names_the_missing_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(UserError, match=r"pip install .*\[extract\]"):
        neutral_face.make()

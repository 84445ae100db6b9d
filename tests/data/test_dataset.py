"""A data set in words."""

import numpy as np
import pytest
from layouts import make_sample

from dfuse_jax.data.dataset import describe, list_labels, list_subjects
from dfuse_jax.data.folds import Fold
from dfuse_jax.runtime.errors import UserError


def test_an_unknown_subject_counts_as_one_of_its_own():
    samples = [make_sample(name="a"), make_sample(name="b", subject=None), make_sample(name="c", subject="")]
    assert list_subjects(samples) == ["s", "b", ""]
    assert "unknown subjects (1 videos do not name theirs)" in describe(samples, [])


def test_a_sample_without_label_is_named():
    assert list_labels([make_sample(label=0), make_sample(label=1)]) == [0, 1]
    with pytest.raises(UserError, match="b: has no label"):
        list_labels([make_sample(), make_sample(name="b", label=None)])


def test_class_balance_is_described():
    samples = [make_sample(name=str(i), label=label, subject=str(i // 2)) for i, label in enumerate([0, 1, 1, 1, 0])]
    line = "5 videos (3 spontaneous, 2 posed) of 3 subjects, 35 frames"
    assert describe(samples, []) == line
    folds = [Fold(np.array([2, 3, 4]), np.array([0, 1])), Fold(np.array([0, 1, 4]), np.array([2, 3]))]
    assert describe(samples, folds[:1]) == f"{line}, 1 folds"
    first, second = describe(samples, [*folds, Fold(np.array([0]), np.array([4]))]).splitlines()
    assert first == f"{line}, 3 folds"
    assert second.startswith("folds that test one class only") and second.endswith(": 2 (spontaneous), 3 (posed)")

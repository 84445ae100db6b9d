"""disLBP: by hand."""

import numpy as np

from dfuse_jax.features import discriminative, dominant


def test_the_fewest_codes_that_hold_the_share_are_dominant():
    counts = np.array([[50, 10, 25, 15], [0, 5, 5, 0], [0, 0, 0, 0]])
    assert dominant(counts, 0.9).tolist() == [
        [True, False, True, True],  # 50 + 25 + 15 = 90
        [False, True, True, False],
        [False] * 4,
    ]
    assert dominant(counts, 0.5).tolist()[:2] == [[True, False, False, False], [False, True, False, False]]
    assert dominant(counts, 1.0).tolist()[0] == [True] * 4


def test_codes_are_kept_that_one_class_agrees_on():
    kept = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 1, 1]], bool)
    labels = np.array([0, 0, 1, 1])
    assert discriminative(kept, labels, 1.0).tolist() == [True, False, True, False]
    assert discriminative(kept, labels, 0.5).tolist() == [True, True, True, True]
    assert discriminative(kept, labels, 0.51).tolist() == [True, False, True, False]
    assert discriminative(kept, np.zeros(4), 1.0).tolist() == [False] * 4


def test_nothing_is_dropped_where_nobody_need_agree():
    assert discriminative(np.zeros((2, 3), bool), np.array([0, 1]), 0.0).all()

"""Numbers of embeddings by hand, by scikit-learn and by chance; spaces that differ by a similarity become one."""

import numpy as np
import pytest
from sklearn.metrics import silhouette_score
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from smiles import rotation

from dfuse_jax.evaluate.embedding import align, neighbour_accuracy, separation, silhouette


def clusters(distance, videos=60, width=8, seed=0):
    """Two classes whose means lie so far apart, in standard deviations; two videos of every subject."""
    rng = np.random.default_rng(seed)
    labels = np.arange(videos) % 2
    vectors = rng.normal(size=(videos, width))
    vectors[:, 0] += distance * labels
    return vectors, labels, np.arange(videos) // 2


def test_the_silhouette_of_four_points_on_a_line():
    """At 0, 1 and 10, 11: within a class 1, to the other class 10.5 or 9.5 on average."""
    vectors = np.array([[0.0], [1], [10], [11]])
    expected = np.mean([1 - 1 / 10.5, 1 - 1 / 9.5])
    assert silhouette(vectors, np.array([0, 0, 1, 1])) == pytest.approx(expected)


def test_separable_classes_and_random_labels():
    apart = separation(*clusters(50))
    assert apart.silhouette > 0.9 and apart.neighbour == 1.0 and abs(apart.shuffled) < 0.05
    same = separation(*clusters(0, videos=400))
    assert abs(same.silhouette) < 0.02
    assert same.neighbour == pytest.approx(0.5, abs=0.08)  # three standard deviations of 400 coins


def test_both_numbers_agree_with_scikit_learn():
    vectors, labels, subjects = clusters(1.5, seed=3)
    ours = separation(vectors, labels, subjects)
    assert ours.silhouette == pytest.approx(silhouette_score(vectors, labels))
    nearest = KNeighborsClassifier(1)
    predicted = cross_val_predict(nearest, vectors, labels, groups=subjects, cv=LeaveOneGroupOut())
    assert ours.neighbour == pytest.approx((predicted == labels).mean())
    assert 0.5 < ours.neighbour < 1


def test_what_is_undefined_is_none():
    vectors, labels, subjects = clusters(1)
    assert separation(vectors[::2], labels[::2], subjects[::2]).silhouette is None
    assert neighbour_accuracy(vectors[:2], labels[:2], subjects[:2]) is None


def test_spaces_that_differ_by_a_similarity_become_one():
    rng = np.random.default_rng(0)
    points = rng.normal(size=(20, 3))
    turn = rotation(rng)
    onto = 2.5 * points @ turn + 4
    alignment = align(points, onto)
    assert alignment.explained == pytest.approx(1)
    others = rng.normal(size=(5, 3))
    np.testing.assert_allclose(alignment(others), 2.5 * others @ turn + 4, atol=1e-9)
    assert silhouette(points, np.arange(20) % 2) == pytest.approx(silhouette(alignment(points), np.arange(20) % 2))


def test_spaces_that_have_nothing_in_common_explain_little():
    rng = np.random.default_rng(1)
    assert align(rng.normal(size=(500, 4)), rng.normal(size=(500, 4))).explained < 0.05

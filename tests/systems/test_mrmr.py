"""mRMR against tables by hand."""

import math

import numpy as np

from dfuse_jax.systems.mrmr import MRMR, levels, mutual_information, order


def test_mutual_information_of_a_two_by_two_table():
    # Joint counts 3, 1, 1, 3: all margins are 4 of 8.
    x = np.repeat([0, 0, 1, 1], [3, 1, 1, 3])[:, None]
    y = np.repeat([0, 1, 0, 1], [3, 1, 1, 3])[:, None]
    expected = 2 * 3 / 8 * math.log((3 / 8) / (1 / 4)) + 2 * 1 / 8 * math.log((1 / 8) / (1 / 4))
    np.testing.assert_allclose(mutual_information(x, y), [[expected]], rtol=1e-12)


def test_levels_are_cut_at_mean_less_and_plus_standard_deviation():
    # Mean 0, standard deviation sqrt(2): -2 and 2 lie outside.
    np.testing.assert_array_equal(levels(np.array([[-2.0], [-1.0], [0.0], [1.0], [2.0]]))[:, 0], [0, 1, 1, 1, 2])
    np.testing.assert_array_equal(levels(np.full((4, 1), 7.0))[:, 0], 1)


def test_a_duplicate_is_not_chosen_before_an_independent_informative_feature():
    rng = np.random.default_rng(5)
    y = rng.integers(0, 2, 400)
    strong = np.where(rng.random(400) < 0.9, y, 1 - y)
    weak = np.where(rng.random(400) < 0.75, y, 1 - y)
    features = np.stack([rng.integers(0, 2, 400), strong, strong, weak], axis=1)
    assert list(order(features, y, 2)) == [1, 3]


def test_permuted_features_permute_the_choice():
    rng = np.random.default_rng(6)
    y = rng.integers(0, 2, 200)
    x = rng.standard_normal((200, 12)) + 0.3 * y[:, None] * np.arange(12)
    permutation = rng.permutation(12)
    chosen = order(levels(x), y, 6)
    np.testing.assert_array_equal(permutation[order(levels(x[:, permutation]), y, 6)], chosen)


def test_the_transformer_keeps_the_chosen_columns():
    rng = np.random.default_rng(7)
    y = np.arange(60) % 2
    x = rng.standard_normal((60, 5))
    x[:, 3] += 10 * y
    np.testing.assert_array_equal(MRMR(k=1).fit_transform(x, y), x[:, [3]])
    assert MRMR(k=50).fit_transform(x, y).shape == (60, 5)

"""Tests between variants: against hand computation, closed forms, SciPy and the published table of q."""

import math

import numpy as np
import pytest
from scipy import stats

from dfuse_jax.evaluate import significance


def corrected_t_test(a, b, ratio):
    return significance.corrected_t_test(np.array(a), np.array(b), ratio)


def rank(scores):
    return significance.rank(np.array(scores))


def holm(p):
    return significance.holm(np.array(p, float))


def test_corrected_t_test_by_hand():
    t, p = corrected_t_test([0.6, 0.8, 0.9, 0.5], [0.5, 0.6, 0.6, 0.5], ratio=0.25)
    # d = .1, .2, .3, 0: mean .15, variance .05 / 3; (1/4 + 1/4) .05 / 3 = 1/120
    assert t == pytest.approx(0.15 * math.sqrt(120))
    u = t / math.sqrt(3)  # Student's distribution with 3 degrees of freedom in closed form
    assert p == pytest.approx(1 - 2 / math.pi * (u / (1 + u**2) + math.atan(u)))


def test_corrected_t_test_without_correction_is_the_paired_t_test_and_with_it_is_more_careful():
    a, b = np.random.default_rng(0).normal([[0.8], [0.7]], 0.1, (2, 30))
    plain = corrected_t_test(a.reshape(3, 10), b.reshape(3, 10), ratio=0)
    np.testing.assert_allclose(plain, stats.ttest_rel(a, b))
    assert corrected_t_test(a, b, ratio=1 / 9)[1] > plain[1]
    assert corrected_t_test(b, a, ratio=0) == pytest.approx((-plain[0], plain[1]))


def test_corrected_t_test_at_its_limits():
    same = np.array([0.1, 0.2, 0.7])
    assert corrected_t_test(same, same, 0.1) == (0, 1)
    assert corrected_t_test(same, same + 0.1, 0.1) == (-math.inf, 0)
    assert np.isnan(corrected_t_test([0.1], [0.2], 0.1)).all()
    assert np.isnan(corrected_t_test([0.1, np.nan], [0.2, 0.2], 0.1)).all()
    with_gap = corrected_t_test([0.1, np.nan, 0.4, 0.5], [0.2, 0.2, 0.2, 0.2], 0.1)
    assert with_gap == corrected_t_test([0.1, 0.4, 0.5], [0.2, 0.2, 0.2], 0.1)


def test_holm_by_hand():
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.6, 0.7]), [1, 1])
    np.testing.assert_allclose(holm([0.02, np.nan, 0.03]), [0.04, np.nan, 0.04])
    assert holm([]).shape == (0,)


@pytest.mark.parametrize(("k", "q"), [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (10, 3.164)])
def test_critical_difference_has_the_q_of_demsar_table_5(k, q):
    assert significance.critical_difference(k, 30) / math.sqrt(k * (k + 1) / 180) == pytest.approx(q, abs=0.001)


def test_ranks_with_ties_by_hand():
    ranking = rank([[0.9, 0.8, 0.7, np.nan], [0.9, 0.6, 0.7, 1], [0.5, 0.7, 0.7, 1]])
    # folds: 1.5 1.5 3, 1 3 2, 2 2 2; the last has no value for all
    np.testing.assert_allclose(ranking.ranks, [4.5 / 3, 6.5 / 3, 7 / 3])
    assert ranking.blocks == 3
    assert ranking.groups == [[0, 1, 2]]
    # sums 4.5 6.5 7: squares of the deviations from 6 are 3.5; of all ranks from 2, 1.5 + 2 + 0
    assert ranking.statistic == pytest.approx(2 * 3.5 / 3.5)
    assert ranking.p == pytest.approx(math.exp(-1))  # chi-square with 2 degrees of freedom


def test_friedman_agrees_with_scipy():
    scores = np.random.default_rng(1).integers(5, 10, (6, 12)) / 10  # with ties
    ranking = rank(scores)
    np.testing.assert_allclose((ranking.statistic, ranking.p), stats.friedmanchisquare(*scores))


def test_last_digits_make_no_difference():
    a, b = np.array([0.1 + 0.2, 0.5]), np.array([0.3, 0.5])
    assert a[0] != b[0]
    np.testing.assert_allclose(rank([a, b]).ranks, 1.5)
    assert corrected_t_test(a, b, 0.1) == (0, 1)


@pytest.mark.parametrize(
    ("difference", "expected"),
    [(0.5, []), (1, [[0, 2], [2, 1]]), (1.5, [[0, 2], [2, 1], [1, 3]]), (2, [[0, 2, 1], [1, 3]]), (9, [[0, 2, 1, 3]])],
)
def test_groups_are_the_largest_that_do_not_differ(difference, expected):
    assert significance.groups([1, 3, 2, 4.5], difference) == expected


def test_a_single_variant_and_no_block():
    alone = rank([[0.5, 0.6]])
    assert alone.ranks == [1] and alone.p == 1 and math.isnan(alone.critical_difference) and alone.groups == []
    empty = rank([[np.nan], [0.5]])
    assert empty.blocks == 0 and np.isnan(empty.ranks).all()

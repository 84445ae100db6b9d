"""Tests of whether variants differ: paired tests between two of them, and a ranking of all.

Neither view is enough alone:

* `corrected_t_test`, for every pair, on the paired accuracies of all folds and runs, corrected for what folds share;
  with `holm` over all the pairs.
* `rank`: Friedman's test and Nemenyi's critical difference (Demsar 2006) over blocks. Blocks must be independent of
  each other, and the runs of a fold share its test videos: a block is a fold, averaged over its runs.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats

ALPHA = 0.05
DIGITS = 9  # accuracies that differ by less are equal: averaging the same numbers in another order changes the last


def corrected_t_test(
    a: Float[np.ndarray, "*pairs"], b: Float[np.ndarray, "*pairs"], ratio: float
) -> tuple[float, float]:
    """Returns t and p of the two-sided corrected resampled t-test of Nadeau and Bengio (2003).

    t = mean(d) / sqrt((1/n + ratio) var(d)) with n - 1 degrees of freedom. Folds share most of their training videos,
    so the differences d vary less than independent ones would, and a plain t-test finds differences that are not there.

    Args:
        a: accuracies of one variant, such as [runs, folds].
        b: accuracies of the other variant on the same folds and runs.
        ratio: n_test / n_train of a fold.

    Returns:
        t and p, over the pairs of which both accuracies are defined. They are 0 and 1 if all differences are 0,
        infinite and 0 (the limit) if all are the same other number, and nan for fewer than two pairs.
    """
    differences = np.round(np.ravel(a - b), DIGITS)
    differences = differences[~np.isnan(differences)]
    n = len(differences)
    if n < 2:
        return float("nan"), float("nan")
    mean = differences.mean()
    if np.ptp(differences) == 0:
        return (0.0, 1.0) if mean == 0 else (float(np.copysign(np.inf, mean)), 0.0)
    t = mean / np.sqrt((1 / n + ratio) * differences.var(ddof=1))
    return float(t), float(2 * stats.t.sf(abs(t), n - 1))


def holm(p: Float[np.ndarray, " tests"]) -> Float[np.ndarray, " tests"]:
    """Adjusts p values for multiple testing (Holm 1979); nan stays nan and does not count as a test."""
    adjusted = np.full(p.shape, np.nan)
    order = np.argsort(p)[: np.sum(~np.isnan(p))]  # nan is sorted last
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


class Ranking(NamedTuple):
    """A ranking of k variants over N blocks.

    Attributes:
        ranks: average rank of each variant, 1 is best; nan without a block.
        blocks: N.
        statistic: Friedman's chi-square with k - 1 degrees of freedom, corrected for ties.
        p: of the hypothesis that all variants are equally good.
        critical_difference: Nemenyi's: average ranks further apart differ at ALPHA.
        groups: the largest sets of neighbouring variants that do not differ, best first; indices, two or more in each.
    """

    ranks: Float[np.ndarray, " variants"]
    blocks: int
    statistic: float
    p: float
    critical_difference: float
    groups: list[list[int]]


def rank(scores: Float[np.ndarray, "variants blocks"]) -> Ranking:
    """Ranks variants (Demsar 2006, "Statistical comparisons of classifiers over multiple data sets").

    Args:
        scores: higher is better; blocks in which one is nan are left out. Equal scores share the mean rank.
    """
    scores = np.round(scores, DIGITS)
    scores = scores[:, ~np.isnan(scores).any(axis=0)]
    k, n = scores.shape
    if n == 0:
        return Ranking(np.full(k, np.nan), 0, float("nan"), float("nan"), float("nan"), [])
    ranks = stats.rankdata(-scores, axis=0)
    average_ranks = ranks.mean(axis=1)
    statistic, p = _friedman(ranks)
    difference = critical_difference(k, n)
    return Ranking(average_ranks, n, statistic, p, difference, groups(average_ranks, difference))


def _friedman(ranks: Float[np.ndarray, "variants blocks"]) -> tuple[float, float]:
    k, n = ranks.shape
    spread = np.sum((ranks - (k + 1) / 2) ** 2)
    if spread == 0:  # all tied everywhere, or a single variant
        return 0.0, 1.0
    statistic = (k - 1) * np.sum((ranks.sum(axis=1) - n * (k + 1) / 2) ** 2) / spread
    return float(statistic), float(stats.chi2.sf(statistic, k - 1))


def critical_difference(variants: int, blocks: int, alpha: float = ALPHA) -> float:
    """Returns Nemenyi's critical difference of average ranks, q sqrt(k (k + 1) / 6 N); nan for a single variant."""
    if variants < 2:
        return float("nan")
    q = stats.studentized_range.ppf(1 - alpha, variants, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(variants * (variants + 1) / (6 * blocks)))


def groups(ranks: Sequence[float] | Float[np.ndarray, " variants"], difference: float) -> list[list[int]]:
    """Returns the largest sets of variants, neighbours in rank, whose ranks are all within `difference`."""
    order = sorted(range(len(ranks)), key=lambda i: ranks[i])
    sets, end_of_last = [], 0
    for first in range(len(order)):
        # Not "within": without a critical difference (nan) every comparison is false, and nothing differs.
        end = max(i for i in range(first, len(order)) if not ranks[order[i]] - ranks[order[first]] > difference)
        if end > max(first, end_of_last):  # otherwise it is alone, or within the last set
            sets.append(order[first : end + 1])
            end_of_last = end
    return sets

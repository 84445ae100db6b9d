"""Are the variants different? Paired tests between two of them, and a ranking of all.

Two views, since neither is enough alone:

* `corrected_t`, for every pair, on the paired accuracies of all folds and runs, corrected for what folds share; with
  `holm` over all the pairs.
* `ranking`: Friedman's test and Nemenyi's critical difference (Demsar 2006) over blocks. A block must be independent of
  the others, and the runs of a fold share its test videos: a block is a fold, averaged over its runs.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

ALPHA = 0.05
DIGITS = 9  # accuracies that differ by less are equal: means of the same numbers in another order are


def corrected_t(a: ArrayLike, b: ArrayLike, ratio: float) -> tuple[float, float]:
    """The corrected resampled t-test of Nadeau and Bengio (2003), two-sided.

    t = mean(d) / sqrt((1/n + ratio) var(d)) with n - 1 degrees of freedom. Folds share most of their training videos,
    so the differences d vary less than independent ones would, and a plain t-test finds what is not there.

    Args:
        a: accuracies of one variant, any shape [runs x folds].
        b: the other's, on the same folds and runs.
        ratio: n_test / n_train of a fold.

    Returns:
        t and p, over the pairs that both are defined. Equal everywhere: 0 and 1. Always the same difference: infinite
        and 0, the limit. Fewer than two pairs: nan.
    """
    differences = np.round(np.ravel(np.subtract(a, b)).astype(float), DIGITS)
    differences = differences[~np.isnan(differences)]
    n = len(differences)
    if n < 2:
        return float("nan"), float("nan")
    mean = differences.mean()
    if np.ptp(differences) == 0:
        return (0.0, 1.0) if mean == 0 else (float(np.copysign(np.inf, mean)), 0.0)
    t = mean / np.sqrt((1 / n + ratio) * differences.var(ddof=1))
    return float(t), float(2 * stats.t.sf(abs(t), n - 1))


def holm(p: ArrayLike) -> np.ndarray:
    """p values adjusted for being many (Holm 1979): reject where they are below alpha; nan stays and does not count."""
    p = np.asarray(p, float)
    adjusted = np.full(p.shape, np.nan)
    order = np.argsort(p)[: np.sum(~np.isnan(p))]  # nan is sorted last
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


class Ranking(NamedTuple):
    """k variants over N blocks.

    Attributes:
        ranks: [k] average rank, 1 is best; nan without a block.
        blocks: N.
        statistic: Friedman's chi-square with k - 1 degrees of freedom, corrected for ties.
        p: of the hypothesis that all variants are alike.
        critical_difference: Nemenyi's: average ranks further apart differ at ALPHA.
        groups: largest sets of neighbouring variants, best first, that do not differ; as indices, two or more each.
    """

    ranks: np.ndarray
    blocks: int
    statistic: float
    p: float
    critical_difference: float
    groups: list[list[int]]


def ranking(scores: ArrayLike) -> Ranking:
    """Ranks variants (Demsar 2006, "Statistical comparisons of classifiers over multiple data sets").

    Args:
        scores: [k, N], higher is better; blocks in which one is nan are left out. Equal scores share the mean rank.
    """
    scores = np.round(np.asarray(scores, float), DIGITS)
    scores = scores[:, ~np.isnan(scores).any(axis=0)]
    k, n = scores.shape
    if n == 0:
        return Ranking(np.full(k, np.nan), 0, float("nan"), float("nan"), float("nan"), [])
    ranks = stats.rankdata(-scores, axis=0)
    mean = ranks.mean(axis=1)
    statistic, p = _friedman(ranks)
    difference = critical_difference(k, n)
    return Ranking(mean, n, statistic, p, difference, groups(mean, difference))


def _friedman(ranks: np.ndarray) -> tuple[float, float]:
    k, n = ranks.shape
    spread = np.sum((ranks - (k + 1) / 2) ** 2)
    if spread == 0:  # all tied everywhere, or a single variant
        return 0.0, 1.0
    statistic = (k - 1) * np.sum((ranks.sum(axis=1) - n * (k + 1) / 2) ** 2) / spread
    return float(statistic), float(stats.chi2.sf(statistic, k - 1))


def critical_difference(variants: int, blocks: int, alpha: float = ALPHA) -> float:
    """Nemenyi's critical difference of average ranks, q sqrt(k (k + 1) / 6 N); nan for a single variant."""
    if variants < 2:
        return float("nan")
    q = stats.studentized_range.ppf(1 - alpha, variants, np.inf) / np.sqrt(2)
    return float(q * np.sqrt(variants * (variants + 1) / (6 * blocks)))


def groups(ranks: Sequence[float], difference: float) -> list[list[int]]:
    """The largest runs of variants in rank order whose ends are not further apart than `difference`."""
    order = sorted(range(len(ranks)), key=lambda i: ranks[i])
    found, reached = [], 0
    for first in range(len(order)):
        last = max(i for i in range(first, len(order)) if not ranks[order[i]] - ranks[order[first]] > difference)
        if last > max(first, reached):  # otherwise alone, or within the group before
            found.append(order[first : last + 1])
            reached = last
    return found

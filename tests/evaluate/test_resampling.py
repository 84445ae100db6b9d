"""Intervals by bootstrap over subjects and permutations of labels, against scipy, scikit-learn and known answers."""

import numpy as np
import pytest
from outcomes import outcome
from scipy import stats
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from dfuse_jax.evaluate import resampling
from dfuse_jax.evaluate.outcome import predictions_by_protocol
from dfuse_jax.evaluate.resampling import Pooled, bca, bootstrap, permute, pool


def draw(subjects, rng, *, skill=1.0, runs=1, videos=(1, 6)):
    """Returns predictions that know the label as well as `skill` says, and are biased for each subject."""
    counts = rng.integers(*videos, size=subjects)
    subject = np.repeat(np.arange(subjects), counts)
    labels = rng.integers(0, 2, len(subject))
    labels[:2] = 0, 1
    bias = rng.normal(size=subjects)[subject]
    scores = skill * (2 * labels - 1) + bias + rng.normal(size=(runs, len(subject)))
    return Pooled(labels, subject, 1 / (1 + np.exp(-scores)))


def test_predictions_are_pooled_over_folds_by_hand():
    made = outcome()
    pooled = pool(made, predictions_by_protocol(made)["validated"])
    np.testing.assert_array_equal(pooled.labels, [1, 0, 0])  # videos 0, 1 and 5 are tested
    np.testing.assert_array_equal(pooled.subjects, [0, 1, 2])
    np.testing.assert_allclose(pooled.probabilities, [[0.2, 0.8, 0.1]], rtol=1e-6)
    assert [bootstrap(pooled)[name].value for name in ("accuracy", "balanced_accuracy", "auc")] == [1 / 3, 0.25, 0.5]
    with pytest.raises(ValueError, match="no predictions"):
        pool(made, [])


def test_pooled_scores_are_those_of_scikit_learn():
    pooled = draw(40, np.random.default_rng(1), runs=3)
    rounded = Pooled(pooled.labels, pooled.subjects, np.round(pooled.probabilities, 1))  # with ties
    intervals = bootstrap(rounded)
    guesses = rounded.probabilities >= 0.5
    expected = {
        "accuracy": np.mean(guesses == rounded.labels),
        "balanced_accuracy": np.mean([balanced_accuracy_score(rounded.labels, guess) for guess in guesses]),
        "auc": np.mean([roc_auc_score(rounded.labels, p) for p in rounded.probabilities]),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(intervals[name].value, value, rtol=1e-12)
        assert intervals[name].low < value < intervals[name].high


def test_weighted_videos_count_as_in_scikit_learn():
    pooled = draw(30, np.random.default_rng(2))
    weights = np.random.default_rng(3).integers(0, 4, (5, 30))
    scores = resampling._weighted_scores(pooled)["auc"](weights)
    expected = [
        roc_auc_score(pooled.labels, pooled.probabilities[0], sample_weight=w[pooled.subjects]) for w in weights
    ]
    np.testing.assert_allclose(scores, expected, rtol=1e-12)


@pytest.mark.parametrize(("right", "of"), [(37, 50), (47, 50), (6, 10)])
def test_the_interval_is_scipys(right, of):
    """With a video a subject, accuracy is a mean, which scipy resamples itself."""
    is_correct = np.arange(of) < right
    pooled = Pooled(np.ones(of, int), np.arange(of), np.where(is_correct, 0.9, 0.1)[None])
    ours = bootstrap(pooled)["accuracy"]
    theirs = stats.bootstrap(
        (is_correct.astype(float),), np.mean, n_resamples=20_000, rng=np.random.default_rng(0), method="BCa"
    ).confidence_interval
    np.testing.assert_allclose((ours.low, ours.high), theirs, atol=1.01 / of)  # means go in steps of 1 / of


def test_what_never_varies_has_clopper_and_pearsons_bound():
    perfect = Pooled(np.array([0, 1] * 10), np.arange(20), np.array([[0.1, 0.9] * 10]))
    exact = stats.binomtest(20, 20).proportion_ci(method="exact")
    for interval in bootstrap(perfect).values():
        np.testing.assert_allclose(interval, (1, exact.low, 1), rtol=1e-12)
    none = Pooled(np.array([0, 1] * 10), np.arange(20), np.array([[0.9, 0.1] * 10]))
    np.testing.assert_allclose(bootstrap(none)["auc"], (0, 0, 1 - exact.low), rtol=1e-12)


def test_one_subject_or_one_class_has_no_interval():
    alone = bootstrap(Pooled(np.array([0, 1]), np.array([0, 0]), np.array([[0.1, 0.2]])))
    assert alone["accuracy"].value == 0.5
    assert np.isnan(alone["accuracy"][1:]).all()
    posed = bootstrap(Pooled(np.zeros(4, int), np.arange(4), np.array([[0.1, 0.2, 0.7, 0.1]])))
    assert posed["accuracy"].value == posed["balanced_accuracy"].value == 0.75
    assert np.isnan(posed["auc"]).all()


def test_videos_of_a_subject_stay_together():
    """Ten copies of every video tell nothing new."""
    once = draw(50, np.random.default_rng(4), videos=(1, 2))
    copies = Pooled(np.repeat(once.labels, 10), np.repeat(once.subjects, 10), np.repeat(once.probabilities, 10, axis=1))
    for one, other in zip(bootstrap(once).values(), bootstrap(copies).values(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("skill", [0.5, 1.5])
@pytest.mark.parametrize("subjects", [60, 120])
def test_intervals_cover_the_truth_as_often_as_they_say(subjects, skill, monkeypatch):
    monkeypatch.setattr(resampling, "RESAMPLES", 1000)
    rng = np.random.default_rng([subjects, int(10 * skill)])
    truth = _scores(draw(200_000, rng, skill=skill))
    covered = dict.fromkeys(truth, 0)
    times = 2000
    for seed in range(times):
        for name, interval in bootstrap(draw(subjects, rng, skill=skill), seed=seed).items():
            covered[name] += interval.low <= truth[name] <= interval.high
    for count in covered.values():
        assert abs(count / times - 0.95) <= 0.02


def _scores(pooled):
    guesses = pooled.probabilities[0] >= 0.5
    return {
        "accuracy": np.mean(guesses == pooled.labels),
        "balanced_accuracy": balanced_accuracy_score(pooled.labels, guesses),
        "auc": roc_auc_score(pooled.labels, pooled.probabilities[0]),
    }


def test_bounds_of_a_normal_mean_are_the_normal_ones():
    rng = np.random.default_rng(5)
    values = rng.normal(0.5, 0.1, 400)
    resampled = rng.choice(values, (4000, 400)).mean(axis=1)
    jackknife = (values.sum() - values) / 399
    expected = values.mean() + np.array([-1, 1]) * 1.96 * values.std() / 20
    np.testing.assert_allclose(bca(values.mean(), resampled, jackknife, 0.95), expected, atol=0.001)


@pytest.mark.parametrize("subjects", [1, 3, 5])
def test_labels_that_change_places_within_subjects_by_hand(subjects):
    """Each subject has one video of both classes and both are right: one of 2^subjects permutations is as good."""
    labels = np.tile([0, 1], subjects)
    pooled = Pooled(labels, np.repeat(np.arange(subjects), 2), np.where(labels, 0.9, 0.1)[None])
    permutation = permute(pooled)
    for p in permutation.p.values():
        np.testing.assert_allclose(p, 0.5**subjects, atol=4 * np.sqrt(0.5**subjects / 10_000))
    assert (permutation.within_subjects, permutation.subjects) == (True, subjects)


def test_knowing_the_person_is_not_knowing_the_smile():
    rng = np.random.default_rng(6)
    subjects = np.repeat(np.arange(20), 10)
    labels = (rng.random(200) < np.where(subjects % 2, 0.8, 0.2)).astype(int)
    pooled = Pooled(labels, subjects, np.where(subjects % 2, 0.8, 0.2)[None])
    assert bootstrap(pooled)["auc"].low > 0.6
    assert permute(pooled).p == {"accuracy": 1.0, "balanced_accuracy": 1.0, "auc": 1.0}


def test_without_known_subjects_labels_change_places_among_all_videos():
    """As scipy counts over all permutations."""
    labels = np.array([0, 0, 0, 0, 1, 1, 1])
    probabilities = np.array([0.1, 0.3, 0.6, 0.2, 0.7, 0.55, 0.9])
    permutation = permute(Pooled(labels, np.arange(7), probabilities[None]))
    assert (permutation.within_subjects, permutation.subjects) == (False, 0)

    def auc(spontaneous, posed):
        return (spontaneous[:, None] > posed).mean()

    samples = (probabilities[labels == 1], probabilities[labels == 0])
    exact = stats.permutation_test(samples, auc, alternative="greater", vectorized=False, n_resamples=np.inf).pvalue
    np.testing.assert_allclose(permutation.p["auc"], exact, atol=4 * np.sqrt(exact / 10_000))


def test_p_is_uniform_where_there_is_nothing_to_know():
    rng = np.random.default_rng(7)
    p = [permute(draw(12, rng, skill=0, videos=(2, 6)), seed=n, permutations=200).p["auc"] for n in range(300)]
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_p_of_what_is_undefined_is_undefined():
    unknown = permute(Pooled(np.array([0, 1, 1]), np.arange(3), np.array([[0.1, np.nan, 0.7]])))
    assert np.isnan(unknown.p["auc"])
    assert np.isfinite(unknown.p["accuracy"])  # a prediction that is no number is wrong
    posed = permute(Pooled(np.array([0, 0]), np.arange(2), np.array([[0.1, 0.7]])))
    assert posed.p["accuracy"] == 1
    assert np.isnan(posed.p["auc"])

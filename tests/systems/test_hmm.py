"""Hidden Markov models against the enumeration of all paths, and on sequences of known classes."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import logsumexp
from scipy.stats import norm

from dfuse_jax.systems import hmm

STAY, MEAN, VARIANCE = np.array([0.7, 0.4]), np.array([[0.0], [1.0], [-1.0]]), np.array([[1.0], [0.5], [2.0]])


def of_all_paths(sequence):
    """The log-likelihood as the sum over every sequence of states that begins in the first and skips none."""
    transitions = np.array([[0.7, 0.3, 0], [0, 0.4, 0.6], [0, 0, 1]])
    terms = []
    for path in itertools.product(range(3), repeat=len(sequence)):
        moves = [transitions[a, b] for a, b in itertools.pairwise(path)]
        if path[0] == 0 and all(moves):
            emissions = norm.logpdf(sequence, MEAN[list(path), 0], np.sqrt(VARIANCE[list(path), 0]))
            terms.append(np.log(moves).sum() + emissions.sum())
    return logsumexp(terms)


def test_the_forward_algorithm_sums_over_all_paths():
    sequence = np.random.default_rng(0).standard_normal(6)
    model = hmm.Model(*(jnp.asarray(array, jnp.float32) for array in (STAY, MEAN, VARIANCE)))
    for length in (1, 4, 6):  # what follows does not count
        value = jax.jit(hmm.log_likelihood)(model, jnp.asarray(sequence[:, None]), jnp.asarray(length))
        np.testing.assert_allclose(value, of_all_paths(sequence[:length]), rtol=1e-5)


def sequences(rng, means, count, longest=40):
    """Sequences of three parts of random lengths about the means, NaN after their ends."""
    result = np.full((count, longest, 1), np.nan)
    for row in result:
        values = np.concatenate([mean + 0.3 * rng.standard_normal(rng.integers(6, 14)) for mean in means])
        row[: len(values), 0] = values[:longest]
    return result


def test_it_learns_the_means_of_left_to_right_states_and_tells_classes_apart():
    rng = np.random.default_rng(1)
    posed, spontaneous = sequences(rng, (0, 3, 0), 20), sequences(rng, (0, 0, 3), 20)
    labels = np.repeat([0, 1], 20)
    fitted = hmm.learn(np.concatenate([posed, spontaneous]), labels, [])
    np.testing.assert_allclose(fitted.mean[0, :, 0] * fitted.scale + fitted.center, [0, 3, 0], atol=0.1)
    np.testing.assert_allclose(np.sqrt(fitted.variance[0, :, 0]) * fitted.scale, 0.3, atol=0.05)
    np.testing.assert_allclose(fitted.stay[0], 0.9, atol=0.02)  # ten frames on average
    new = np.concatenate([sequences(rng, (0, 3, 0), 5), sequences(rng, (0, 0, 3), 5)])
    probabilities = fitted.predict_proba(new)
    np.testing.assert_array_equal(probabilities[:, 1] > 0.5, np.repeat([False, True], 5))
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)


def test_constant_sequences_give_even_odds():
    still = np.zeros((6, 10, 2))
    fitted = hmm.learn(still, np.arange(6) % 2, [])
    np.testing.assert_allclose(fitted.predict_proba(still), 0.5, rtol=1e-5)

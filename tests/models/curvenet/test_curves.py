"""The curve walk: momentum in both variants, the straight-through choice, crossover suppression."""

import jax
import jax.numpy as jnp
import numpy as np

from dfuse_jax.models.curvenet import curves
from dfuse_jax.models.curvenet.curves import momentum_weights


def test_momentum_as_meant_and_as_published():
    """The published code reads the softmax of [2, curves] as [curves, 2]; see `momentum_weights`."""
    logits = np.random.default_rng(0).normal(size=(1, 3, 2))
    weights = np.exp(logits[0]) / np.exp(logits[0]).sum(axis=1, keepdims=True)  # of curve i: weights[i]
    meant, published = (momentum_weights(jnp.asarray(logits), variant)[0] for variant in ("paper", "authors"))
    np.testing.assert_allclose(meant, weights, rtol=1e-6)
    (a, d), (b, e), (c, f) = weights
    np.testing.assert_allclose(published, [[a, b], [c, d], [e, f]], rtol=1e-6)
    assert not np.allclose(published.sum(axis=1), 1)  # no weights of a mean any more

    reversed_logits = logits[:, ::-1]  # the curves in another order
    np.testing.assert_allclose(momentum_weights(jnp.asarray(reversed_logits), "paper")[0], meant[::-1], rtol=1e-6)
    assert not np.allclose(momentum_weights(jnp.asarray(reversed_logits), "authors")[0], published[::-1])


def test_the_best_candidate_is_chosen_with_the_gradient_of_the_weighted_sum():
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(2, 6, 3)))
    candidates = jnp.asarray(rng.permuted(np.tile(np.arange(6), (2, 4, 1)), axis=-1)[..., :3])
    weights = jax.nn.softmax(jnp.asarray(rng.normal(size=(2, 4, 3))))
    best = np.argmax(weights, axis=-1)
    chosen = np.take_along_axis(np.asarray(candidates), best[..., None], -1)[..., 0]
    features, pull = jax.vjp(lambda w, x: curves._best_features(w, x, candidates, "plain", None), weights, x)
    np.testing.assert_array_equal(features, [x[m][chosen[m]] for m in range(2)])

    g = jnp.asarray(rng.normal(size=features.shape))
    weight_gradient, x_gradient = pull(g)

    def weighted_sum(w):
        return jnp.stack([jnp.einsum("ck,ckd->cd", w[m], x[m][candidates[m]]) for m in range(2)])

    np.testing.assert_allclose(weight_gradient, jax.vjp(weighted_sum, weights)[1](g)[0], rtol=1e-5, atol=1e-6)
    expected = np.zeros(x.shape)
    for m in range(2):
        np.add.at(expected[m], chosen[m], g[m])
    np.testing.assert_allclose(x_gradient, expected, rtol=1e-5, atol=1e-6)


def test_candidates_back_where_the_curve_came_from_are_suppressed():
    x = jnp.array([[[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [-1.0, 1.0]]])
    candidates = jnp.array([[[1, 2, 3, 4, 0]]])  # onward, back, aside, half back, and the point itself
    features, descriptors = jnp.array([[[0.0, 0.0]]]), jnp.array([[[-2.0, 0.0]]])
    suppression = curves._suppression(candidates, x, features, descriptors)[0, 0]
    np.testing.assert_allclose(suppression, [1, 0, 1, 1 - np.sqrt(0.5), 1], rtol=1e-6)

"""Hidden Markov models with Gaussian emissions, one for each class; the likelier class wins.

States follow each other from left to right: a sequence begins in the first one and stays in a state or moves on to the
next. The posterior probabilities of states and transitions that Baum and Welch's algorithm needs are the derivatives of
the log-likelihood by the log-probabilities of emissions and transitions.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.special import logsumexp
from jaxtyping import Array, Float, Int

from dfuse_jax.systems.search import Split
from dfuse_jax.train.tuning import AnyArray

STATES = 3
ROUNDS = 20
FLOOR = 1e-3  # of a variance, as a share of that of all training frames
IMPOSSIBLE = -1e9  # the logarithm of a probability of 0; finite, so that derivatives are
ROWS, FRAMES = 64, 128  # sequences and frames are padded to multiples of these: few shapes to compile for


class Model(NamedTuple):
    """The parameters of a model.

    Attributes:
        stay: probability of staying in each state but the last, which is never left.
        mean: of the emissions of each state.
        variance: of the emissions of each state.
    """

    stay: Float[AnyArray, " states-1"]
    mean: Float[AnyArray, "states values"]
    variance: Float[AnyArray, "states values"]


class Classifier:
    """A model for each class, posed and spontaneous.

    Args:
        center: what values are standardised by.
        scale: likewise.
        models: of the classes, stacked.
    """

    classes_ = (0, 1)

    def __init__(self, center: Float[np.ndarray, " values"], scale: Float[np.ndarray, " values"], models: Model):
        self.center = center
        self.scale = scale
        self.stay, self.mean, self.variance = (np.asarray(array) for array in models)

    def predict_proba(self, features: Float[np.ndarray, "videos frames values"]) -> Float[np.ndarray, "videos 2"]:
        """Returns the probabilities of the classes, NaN frames left out.

        The sigmoid of the difference of the log-likelihoods per frame is taken: more frames would otherwise make every
        probability 0 or 1, without an order among them.
        """
        sequences, length = _padded((features - self.center) / self.scale)
        models = Model(self.stay, self.mean, self.variance)
        posed, spontaneous = np.asarray(_log_likelihoods(models, sequences, length))[:, : len(features)]
        score = jax.nn.sigmoid((spontaneous - posed) / np.maximum(length[: len(features)], 1))
        return np.stack([1 - score, score], axis=1)


def learn(
    features: Float[np.ndarray, "videos frames values"],
    labels: Int[np.ndarray, " videos"],
    splits: Sequence[Split],
    *,
    balanced: bool = False,
) -> Classifier:
    """Fits a model to the videos of each class; nothing is chosen by the inner splits, and both classes count alike."""
    del splits, balanced
    frames = features[~np.isnan(features[..., 0])]
    center, deviation = frames.mean(axis=0), frames.std(axis=0)
    scale = np.where(deviation > 1e-6 * np.abs(center), deviation, 1)
    sequences, length = _padded((features - center) / scale)
    weights = np.zeros((2, len(sequences)), sequences.dtype)
    weights[labels, np.arange(len(labels))] = 1
    return Classifier(center, scale, _train(sequences, length, weights))


def log_likelihood(model: Model, sequence: Float[Array, "frames values"], length: Int[Array, ""]) -> Float[Array, ""]:
    """Returns the logarithm of the density of the first `length` frames."""
    return _forward(_log_transitions(model), _log_emissions(model, sequence), length)


def _forward(
    transitions: Float[Array, "states states"], emissions: Float[Array, "frames states"], length: Int[Array, ""]
) -> Float[Array, ""]:
    """Computes the log-likelihood by the forward algorithm, of log-probabilities."""

    def step(state: Array, frame: tuple[Array, Array]) -> tuple[Array, None]:
        emission, counts = frame
        following = logsumexp(state[:, None] + transitions, axis=0) + emission
        return jnp.where(counts, following, state), None

    first = jnp.full(emissions.shape[1], IMPOSSIBLE).at[0].set(0) + emissions[0]
    counts = jnp.arange(1, len(emissions)) < length
    last, _ = lax.scan(step, first, (emissions[1:], counts))
    return logsumexp(last)


def _log_transitions(model: Model) -> Float[Array, "states states"]:
    stay = jnp.append(model.stay, 1)
    leave = jnp.log(jnp.maximum(1 - model.stay, jnp.finfo(stay.dtype).tiny))
    states = len(stay)
    allowed = jnp.full((states, states), IMPOSSIBLE, stay.dtype)
    allowed = allowed.at[jnp.arange(states), jnp.arange(states)].set(jnp.log(jnp.maximum(stay, 1e-30)))
    return allowed.at[jnp.arange(states - 1), jnp.arange(1, states)].set(leave)


def _log_emissions(model: Model, sequence: Float[Array, "frames values"]) -> Float[Array, "frames states"]:
    deviation = sequence[:, None] - model.mean
    terms = deviation**2 / model.variance + jnp.log(2 * jnp.pi * model.variance)
    return -terms.sum(axis=-1) / 2


@jax.jit
def _log_likelihoods(models: Model, sequences: Array, length: Array) -> Float[Array, "classes videos"]:
    of_videos = jax.vmap(log_likelihood, in_axes=(None, 0, 0))
    return jax.vmap(of_videos, in_axes=(0, None, None))(models, sequences, length)


@jax.jit
@functools.partial(jax.vmap, in_axes=(None, None, 0))
def _train(
    sequences: Float[Array, "videos frames values"], length: Int[Array, " videos"], weights: Float[Array, " videos"]
) -> Model:
    """Fits a model to the videos of weight 1, by Baum and Welch's algorithm from equal thirds of each video."""
    frame = jnp.arange(sequences.shape[1])
    third = frame[None] * STATES // jnp.maximum(length[:, None], 1)
    counts = (frame[None] < length[:, None]) * weights[:, None]
    posterior = jax.nn.one_hot(third, STATES, dtype=sequences.dtype) * counts[..., None]
    mean_length = (length * weights).sum() / jnp.maximum(weights.sum(), 1)
    model = Model(
        stay=jnp.full(STATES - 1, jnp.maximum(1 - STATES / mean_length, 0.5), sequences.dtype),
        mean=jnp.zeros((STATES, sequences.shape[2]), sequences.dtype),
        variance=jnp.ones((STATES, sequences.shape[2]), sequences.dtype),
    )
    model = _update_emissions(model, posterior, sequences)

    def total(transitions: Array, emissions: Array) -> Array:
        return (jax.vmap(_forward, in_axes=(None, 0, 0))(transitions, emissions, length) * weights).sum()

    def improve(model: Model, _: None) -> tuple[Model, None]:
        emissions = jax.vmap(_log_emissions, in_axes=(None, 0))(model, sequences)
        moves, posterior = jax.grad(total, argnums=(0, 1))(_log_transitions(model), emissions)
        stays, leaves = jnp.diagonal(moves)[:-1], jnp.diagonal(moves, 1)
        stay = jnp.where(stays + leaves > 0, stays / jnp.maximum(stays + leaves, 1e-30), model.stay)
        return _update_emissions(model._replace(stay=stay), posterior, sequences), None

    model, _ = lax.scan(improve, model, length=ROUNDS)
    return model


def _update_emissions(
    model: Model, posterior: Float[Array, "videos frames states"], sequences: Float[Array, "videos frames values"]
) -> Model:
    """Returns the model with the means and variances of the frames by the states' posterior probabilities."""
    total = posterior.sum(axis=(0, 1))[:, None]
    divisor = jnp.maximum(total, 1e-30)
    mean = jnp.einsum("vts,vtd->sd", posterior, sequences) / divisor
    variance = jnp.einsum("vts,vtd->sd", posterior, sequences**2) / divisor - mean**2
    return model._replace(
        mean=jnp.where(total > 0, mean, model.mean),
        variance=jnp.where(total > 0, jnp.maximum(variance, FLOOR), model.variance),
    )


def _padded(features: Float[np.ndarray, "videos frames values"]) -> tuple[np.ndarray, np.ndarray]:
    """Returns features without NaN, padded with zeros, and the numbers of frames that count."""
    length = (~np.isnan(features[..., 0])).sum(axis=1).astype(np.int32)
    rows, frames = (-size % multiple for size, multiple in zip(features.shape, (ROWS, FRAMES), strict=False))
    padded = np.pad(np.nan_to_num(features), ((0, rows), (0, frames), (0, 0)))
    return padded.astype(jax.dtypes.canonicalize_dtype(float)), np.pad(length, (0, rows))

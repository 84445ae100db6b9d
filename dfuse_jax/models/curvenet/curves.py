"""Curves on the point cloud: walked from salient points (grouping), then attended to by all points (aggregation).

They are the curve grouping and the curve aggregation of CurveNet (T. Xiang et al., ICCV 2021). M counts frames, N
points, K neighbours, C curves, L steps of a curve.
"""

import functools
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from dfuse_jax.models.cloud import feature_moments, gather, map_frames
from dfuse_jax.models.curvenet.maps import activated_maps
from dfuse_jax.models.layers import Kernel, leaky_relu, linear
from dfuse_jax.models.norms import BatchNorm, NormState


class Curves(NamedTuple):
    """All curves at one step of their walk.

    Attributes:
        points: where each curve is.
        features: of these points.
        descriptors: a running mean of the features along each curve.
        agent_norm: norm of the candidates' scores.
        momentum_norm: norm of the descriptors' weights.
    """

    points: Int[Array, "frames curves"]
    features: Float[Array, "frames curves width"]
    descriptors: Float[Array, "frames curves width"]
    agent_norm: NormState
    momentum_norm: NormState


class CurveGrouping(nn.Module):
    """Walks curves over the points, from those with the largest attention.

    Attributes:
        curves: C, how many curves are walked.
        steps: L, points in a curve.
        variant: "paper" or "authors", see `momentum_weights`.
        frames_at_once: see `map_frames`.
        kernels: "plain" or "fused".
    """

    curves: int
    steps: int
    variant: str
    frames_at_once: int | None
    kernels: str

    @nn.compact
    def __call__(
        self, x: Float[Array, "frames points width"], neighbours: Int[Array, "frames points neighbours"], train: bool
    ) -> Float[Array, "frames curves steps width"]:
        """Returns the features of the curves' points."""
        width = x.shape[-1]
        attention = nn.sigmoid(linear(1, name="attention")(x))
        x = x * attention
        start_points = lax.top_k(attention[..., 0], self.curves)[1]  # descending, which `authors` depends on
        agent = Kernel(1, name="agent")(2 * width).astype(x.dtype)
        momentum = Kernel(2, name="momentum")(2 * width).astype(x.dtype)
        agent_norm = BatchNorm(name="agent_norm")
        momentum_norm = BatchNorm(name="momentum_norm")
        # The agent maps [neighbour, descriptor] to a sum of two parts, so each point's is found once, before any step.
        point_scores = (x @ agent[:width])[..., 0]
        # A CPU reads whole lists of neighbours faster, a GPU the scores themselves.
        neighbour_scores = None if self.kernels == "fused" else gather(point_scores, neighbours)

        def survey(curves: Curves, descriptors: Array) -> tuple[Array, Array, Array | float]:
            """Returns the candidates [M, C, K] of every curve, their scores, and how far each is suppressed."""
            constants = lax.stop_gradient((x, curves.features, descriptors))
            if neighbour_scores is None:
                from dfuse_jax.models.kernels import walk  # imports Pallas, which the plain version does not need

                return walk.survey(neighbours, curves.points, point_scores, *constants)
            candidates, scores = gather(neighbours, curves.points), gather(neighbour_scores, curves.points)
            if descriptors is curves.features:  # a curve that begins goes nowhere yet, and crosses nothing
                return candidates, scores, 1.0
            suppression = map_frames(_suppression, candidates, *constants, frames_at_once=self.frames_at_once)
            return candidates, scores, suppression

        def advance(curves: Curves, descriptors: Array) -> Curves:
            """Moves every curve to one of its candidates, and gives it a new descriptor."""
            candidates, scores, suppression = survey(curves, descriptors)
            scores = scores + descriptors @ agent[width:]
            scores, norm = curves.agent_norm.normalise(scores[..., None], train=train)
            weights = nn.softmax(scores[..., 0] * suppression)
            return curves._replace(
                points=_best(weights, candidates),
                features=_best_features(weights, x, candidates, self.kernels, self.frames_at_once),
                descriptors=descriptors,
                agent_norm=norm,
            )

        def step(curves: Curves, _) -> tuple[Curves, Array]:
            pairs = jnp.concatenate([curves.features, curves.descriptors], axis=-1)
            logits, norm = curves.momentum_norm.normalise(pairs @ momentum, train=train)
            weights = momentum_weights(logits, self.variant)
            descriptors = weights[..., :1] * curves.features + weights[..., 1:] * curves.descriptors
            curves = advance(curves._replace(momentum_norm=norm), descriptors)
            return curves, curves.features

        start = gather(x, start_points)
        curves = Curves(start_points, start, start, agent_norm.state(1), momentum_norm.state(2))
        first = advance(curves, start)
        # A GPU need not copy what a loop carries where there is none; a CPU would only compile longer.
        last, others = lax.scan(step, first, length=self.steps - 1, unroll=self.kernels == "fused")
        if train:
            agent_norm.store(last.agent_norm)
            momentum_norm.store(last.momentum_norm)
        return jnp.concatenate([first.features[:, :, None], jnp.moveaxis(others, 0, 2)], axis=2)


def momentum_weights(logits: Float[Array, "frames curves 2"], variant: str) -> Float[Array, "frames curves 2"]:
    """Returns the weights of a curve's present feature and of its descriptor.

    `authors`: the published code lays the softmax out as [2, C] and reads it, in memory order, as [C, 2]; so curve i is
    weighted by entries 2i and 2i + 1, and the result depends on the order of the curves. CurveNet's own release does
    the same. The default is the pair that the text means.
    """
    weights = nn.softmax(logits)
    if variant == "authors":
        weights = jnp.swapaxes(weights, -1, -2).reshape(weights.shape)
    return weights


def _suppression(candidates: Array, x: Array, features: Array, descriptors: Array) -> Array:
    """Returns the crossover suppression clip(1 + cos(feature - descriptor, candidate - feature), 0, 1).

    Shapes: candidates [M, C, K], x [M, N, c], features and descriptors [M, C, c] -> [M, C, K].
    """
    direction = (features - descriptors)[..., None, :]
    onward = gather(x, candidates) - features[..., None, :]
    lengths = jnp.linalg.norm(direction, axis=-1) * jnp.linalg.norm(onward, axis=-1)
    return jnp.clip(1 + jnp.sum(direction * onward, axis=-1) / jnp.maximum(lengths, 1e-8), 0, 1)


def _best(weights: Array, candidates: Array) -> Array:
    """Returns, of the candidates [M, C, K], those with the largest weight: [M, C]."""
    return jnp.take_along_axis(candidates, jnp.argmax(weights, axis=-1)[..., None], axis=-1)[..., 0]


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def _best_features(weights: Array, x: Array, candidates: Array, kernels: str, frames_at_once: int | None) -> Array:
    """Returns the features of the best candidates: x [M, N, c] -> [M, C, c].

    The gradient is straight-through: that of the sum of the candidates' features, weighted with the softmax. Only the
    best candidate's feature gets a part of it, so that the features of the others need not be kept.
    """
    return gather(x, _best(weights, candidates))


def _best_features_forward(
    weights: Array, x: Array, candidates: Array, kernels: str, frames_at_once: int | None
) -> tuple[Array, tuple[Array, Array, Array]]:
    return _best_features(weights, x, candidates, kernels, frames_at_once), (weights, x, candidates)


def _best_features_backward(kernels: str, frames_at_once: int | None, residuals: tuple[Array, Array, Array], g: Array):
    def weight_gradient(x, candidates, g):
        return jnp.einsum("mckd,mcd->mck", gather(x, candidates), g)

    weights, x, candidates = residuals
    (x_gradient,) = jax.linear_transpose(lambda x: gather(x, _best(weights, candidates)), x)(g)
    if kernels == "fused":
        from dfuse_jax.models.kernels import walk  # imports Pallas, which the plain version does not need

        return walk.products(candidates, x, g), x_gradient, None
    return map_frames(weight_gradient, x, candidates, g, frames_at_once=frames_at_once), x_gradient, None


_best_features.defvjp(_best_features_forward, _best_features_backward)


class CurveAggregation(nn.Module):
    """Lets every point attend to the curves and to their steps.

    Attributes:
        frames_at_once: see `map_frames`.
        kernels: "plain" or "fused".
    """

    frames_at_once: int | None
    kernels: str

    @nn.compact
    def __call__(
        self, x: Float[Array, "frames points width"], curves: Float[Array, "frames curves steps width"], train: bool
    ) -> Float[Array, "frames points width"]:
        """Returns the points' features with what they take from the curves."""
        width = x.shape[-1]
        logits = linear(1, name="line_attention")(curves)
        curve_means = jnp.sum(curves * nn.softmax(logits, axis=-2), axis=-2)  # [M, C, c]
        step_means = jnp.sum(curves * nn.softmax(logits, axis=-3), axis=-3)  # [M, L, c]
        curve_key = linear(width // 2, name="curve_key")(curve_means)
        curve_value = linear(width // 2, name="curve_value")(curve_key)
        step_key = linear(width // 2, name="step_key")(step_means)
        step_value = linear(width // 2, name="step_value")(step_key)
        query = linear(width // 2, name="query")(x)
        if self.kernels == "fused":
            from dfuse_jax.models.kernels import aggregation  # imports Pallas, which the plain version does not need

            curve_memory = aggregation.Memory(curve_key, curve_value)
            step_memory = aggregation.Memory(step_key, step_value)
            both, moments = aggregation.attend(query, curve_memory, step_memory, train=train)
        else:
            from_curves = map_frames(_attend, query, curve_key, curve_value, frames_at_once=self.frames_at_once)
            from_steps = map_frames(_attend, query, step_key, step_value, frames_at_once=self.frames_at_once)
            both = jnp.concatenate([from_curves, from_steps], axis=-1)
            moments = feature_moments(both, frames_at_once=self.frames_at_once) if train else None
        kernel = Kernel(width, name="merge")(width)
        merge = BatchNorm(name="merge_norm").fold(kernel, moments).astype(x.dtype)
        if self.kernels == "fused":
            return activated_maps((both,), (merge,), residual=x, kernels=self.kernels, frames_at_once=None)
        return leaky_relu(x + merge(both))


def _attend(query: Array, key: Array, value: Array) -> Array:
    """Returns what each query [M, N, c] attends to among keys and values [M, S, c]."""
    return nn.softmax(jnp.einsum("mnc,msc->mns", query, key)) @ value

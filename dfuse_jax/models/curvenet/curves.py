"""Curves on the point cloud: walked from salient points (grouping), then attended to by all points (aggregation).

They are the curve grouping and the curve aggregation of CurveNet (T. Xiang et al., ICCV 2021). M counts frames, N
points, K neighbours, C curves, L steps of a curve.
"""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array, lax

from dfuse_jax.models.cloud import gather, map_frames, moments_of
from dfuse_jax.models.layers import Kernel, full, leaky_relu, linear
from dfuse_jax.models.norms import BatchNorm, mean_and_variance, normed_linear


def _largest(weights: Array, ahead: Array) -> Array:
    """Of the points ahead [M, C, K] the one with the largest weight: [M, C]."""
    return jnp.take_along_axis(ahead, jnp.argmax(weights, axis=-1)[..., None], axis=-1)[..., 0]


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _pick(weights: Array, x: Array, ahead: Array, at_once: int | None) -> Array:
    """The feature of that point: x [M, N, c] -> [M, C, c].

    The gradient is straight-through: that of the sum of the points ahead, weighted with the softmax. Only the picked
    point's feature gets a part of it, so that the other features ahead need not be kept.
    """
    return gather(x, _largest(weights, ahead))


def _pick_forward(weights: Array, x: Array, ahead: Array, at_once: int | None):
    return _pick(weights, x, ahead, at_once), (weights, x, ahead)


def _pick_backward(at_once: int | None, kept: tuple[Array, Array, Array], by_feature: Array):
    weights, x, ahead = kept
    along = lambda x, ahead, g: jnp.einsum("mckd,mcd->mck", gather(x, ahead), g)  # noqa: E731
    (by_x,) = jax.linear_transpose(lambda x: gather(x, _largest(weights, ahead)), x)(by_feature)
    return map_frames(along, at_once, x, ahead, by_feature), by_x, None


_pick.defvjp(_pick_forward, _pick_backward)


def _straightness(ahead: Array, x: Array, current: Array, descriptor: Array) -> Array:
    """Crossover suppression: clip(1 + cos(current - descriptor, neighbour - current), 0, 1) for every point ahead.

    Shapes: ahead [M, C, K], x [M, N, c], current and descriptor [M, C, c] -> [M, C, K].
    """
    course, towards = (current - descriptor)[..., None, :], gather(x, ahead) - current[..., None, :]
    lengths = jnp.linalg.norm(course, axis=-1) * jnp.linalg.norm(towards, axis=-1)
    return jnp.clip(1 + jnp.sum(course * towards, axis=-1) / jnp.maximum(lengths, 1e-8), 0, 1)


def momentum_weights(logits: Array, variant: str) -> Array:
    """Weights of the current feature and of the descriptor: logits [M, C, 2] -> [M, C, 2].

    `authors`: the published code lays the softmax out as [2, C] and reads it, in memory order, as [C, 2]; so curve i is
    weighted by entries 2i and 2i + 1, and the result depends on the order of the curves. CurveNet's own release does
    the same. The default is the pair that the text means.
    """
    weights = nn.softmax(logits)
    if variant == "authors":
        weights = jnp.swapaxes(weights, -1, -2).reshape(weights.shape)
    return weights


class CurveGrouping(nn.Module):
    """Walks curves over the points: x [M, N, c] -> [M, C, L, c], from the C points with the largest attention."""

    curves: int
    steps: int
    variant: str
    at_once: int | None

    @nn.compact
    def __call__(self, x: Array, neighbours: Array, train: bool) -> Array:
        width = x.shape[-1]
        attention = nn.sigmoid(linear(1, name="attention")(x))
        x = x * attention
        starts = lax.top_k(attention[..., 0], self.curves)[1]  # descending, which `authors` depends on
        # [neighbour, descriptor] -> 1 is a sum of the two, so each point's part is found once, before any step.
        agent = Kernel(1, name="agent")(2 * width).astype(x.dtype)
        of_neighbours = gather((x @ agent[:width])[..., 0], neighbours)  # [M, N, K]
        momentum = Kernel(2, name="momentum")(2 * width).astype(x.dtype)
        norms = [BatchNorm(train, name=name) for name in ("agent_norm", "momentum_norm")]

        def normed(values, norm):
            statistics = mean_and_variance(values, range(values.ndim - 1)) if train else None
            scale, shift, norm = norm.affine(statistics)
            return (full(values) * scale + shift).astype(values.dtype), norm

        def walk(at, descriptor, agent_norm, towards):
            """One step from the points `at`: the next ones [M, C], their features [M, C, c] and the norm after it."""
            ahead = gather(neighbours, at)  # [M, C, K]
            scores = gather(of_neighbours, at) + descriptor @ agent[width:]
            scores, agent_norm = normed(scores[..., None], agent_norm)
            weights = nn.softmax(scores[..., 0] * towards(ahead))
            return _largest(weights, ahead), _pick(weights, x, ahead, self.at_once), agent_norm

        def further(carry, _):
            at, current, descriptor, agent_norm, momentum_norm = carry
            logits, momentum_norm = normed(jnp.concatenate([current, descriptor], -1) @ momentum, momentum_norm)
            weights = momentum_weights(logits, self.variant)
            descriptor = weights[..., :1] * current + weights[..., 1:] * descriptor
            before = lax.stop_gradient((x, current, descriptor))
            towards = lambda ahead: map_frames(_straightness, self.at_once, ahead, *before)  # noqa: E731
            at, current, agent_norm = walk(at, descriptor, agent_norm, towards)
            return (at, current, descriptor, agent_norm, momentum_norm), current

        agent_norm, momentum_norm = norms[0].numbers(1), norms[1].numbers(2)
        descriptor = gather(x, starts)
        at, first, agent_norm = walk(starts, descriptor, agent_norm, lambda ahead: 1)
        carry = at, first, descriptor, agent_norm, momentum_norm
        (*_, agent_norm, momentum_norm), rest = lax.scan(further, carry, length=self.steps - 1)
        norms[0].keep(agent_norm)
        norms[1].keep(momentum_norm)
        return jnp.concatenate([first[:, :, None], jnp.moveaxis(rest, 0, 2)], axis=2)


class CurveAggregation(nn.Module):
    """Lets every point attend to the curves and to their steps: x [M, N, c], curves [M, C, L, c] -> [M, N, c]."""

    at_once: int | None

    @nn.compact
    def __call__(self, x: Array, curves: Array, train: bool) -> Array:
        width = x.shape[-1]
        logits = linear(1, name="line_attention")(curves)
        of_curves = jnp.sum(curves * nn.softmax(logits, axis=-2), axis=-2)  # [M, C, c]
        of_steps = jnp.sum(curves * nn.softmax(logits, axis=-3), axis=-3)  # [M, L, c]
        query = linear(width // 2, name="query")(x)

        def attend(keys: Array, name: str) -> Array:
            keys = linear(width // 2, name=f"{name}_key")(keys)
            values = linear(width // 2, name=f"{name}_value")(keys)
            return map_frames(_attend, self.at_once, query, keys, values)

        found = jnp.concatenate([attend(of_curves, "curve"), attend(of_steps, "step")], axis=-1)
        merge = normed_linear(width, found, moments_of(found, self.at_once), train, "merge")
        return leaky_relu(x + merge(found))


def _attend(query: Array, keys: Array, values: Array) -> Array:
    return nn.softmax(jnp.einsum("mnc,msc->mns", query, keys)) @ values

"""Curves on the point cloud: walked from salient points (grouping), then attended to by all points (aggregation).

They are the curve grouping and the curve aggregation of CurveNet (T. Xiang et al., ICCV 2021). M counts frames, N
points, K neighbours, C curves, L steps of a curve.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array, lax

from dfuse_jax.models.layers import batch_norm, leaky_relu, linear


def gather(x: Array, index: Array) -> Array:
    """Rows of each frame's x [M, N, ...] by index [M, ...]."""
    return jax.vmap(lambda rows, i: rows[i])(x, index)


def _hard(scores: Array) -> Array:
    """Softmax made one-hot, with the softmax's gradient (straight-through)."""
    soft = nn.softmax(scores)
    hard = jax.nn.one_hot(jnp.argmax(soft, axis=-1), soft.shape[-1], dtype=soft.dtype)
    return hard + soft - lax.stop_gradient(soft)


def _straightness(course: Array, ahead: Array) -> Array:
    """Crossover suppression: clip(1 + cos(course, ahead), 0, 1), without a gradient; [..., K]."""
    course, ahead = lax.stop_gradient((course[..., None, :], ahead))
    lengths = jnp.linalg.norm(course, axis=-1) * jnp.linalg.norm(ahead, axis=-1)
    return jnp.clip(1 + jnp.sum(course * ahead, axis=-1) / jnp.maximum(lengths, 1e-8), 0, 1)


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

    @nn.compact
    def __call__(self, x: Array, index: Array, train: bool) -> Array:
        attention = nn.sigmoid(linear(1, name="attention")(x))
        x = x * attention
        at = lax.top_k(attention[..., 0], self.curves)[1]  # descending, which `authors` depends on
        agent, agent_norm = linear(1, name="agent"), batch_norm(train, name="agent_norm")
        momentum, momentum_norm = linear(2, name="momentum"), batch_norm(train, name="momentum_norm")

        current = descriptor = gather(x, at)
        curve = []
        for step in range(self.steps):
            if step > 0:
                logits = momentum_norm(momentum(jnp.concatenate([current, descriptor], axis=-1)))
                weights = momentum_weights(logits, self.variant)
                descriptor = weights[..., :1] * current + weights[..., 1:] * descriptor
            around = gather(index, at)  # [M, C, K]
            ahead = gather(x, around)  # [M, C, K, c]
            pairs = jnp.concatenate([ahead, jnp.broadcast_to(descriptor[..., None, :], ahead.shape)], axis=-1)
            scores = agent_norm(agent(pairs))[..., 0]
            if step > 0:
                scores = scores * _straightness(current - descriptor, ahead - current[..., None, :])
            pick = _hard(scores)
            current = jnp.einsum("mck,mckd->mcd", pick, ahead)
            at = jnp.take_along_axis(around, jnp.argmax(pick, axis=-1)[..., None], axis=-1)[..., 0]
            curve.append(current)
        return jnp.stack(curve, axis=2)


class CurveAggregation(nn.Module):
    """Lets every point attend to the curves and to their steps: x [M, N, c], curves [M, C, L, c] -> [M, N, c]."""

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
            return nn.softmax(jnp.einsum("mnc,msc->mns", query, keys)) @ values

        found = jnp.concatenate([attend(of_curves, "curve"), attend(of_steps, "step")], axis=-1)
        return leaky_relu(x + batch_norm(train, name="merge_norm")(linear(width, name="merge")(found)))

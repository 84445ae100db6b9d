"""What points take from curves and their steps, without attention weights in memory.

The plain version is in `curvenet.curves.CurveAggregation`, of which this is all up to the batch norm, with the moments
that the norm needs. M counts frames, N points, S curves or steps, c features; queries, keys and values have c / 2.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from dfuse_jax.models.kernels import program
from dfuse_jax.models.layers import at_least_float32
from dfuse_jax.models.norms import Moments, moments_from_sums


class Memory(NamedTuple):
    """What is attended to.

    Attributes:
        key: of curves or steps.
        value: likewise.
    """

    key: Float[Array, "frames memory half"]
    value: Float[Array, "frames memory half"]


def attend(
    query: Float[Array, "frames points half"],
    curves: Memory,
    steps: Memory,
    *,
    train: bool,
) -> tuple[Float[Array, "frames points width"], Moments | None]:
    """Returns what every point attends to among curves and then among steps, and in training its moments.

    Args:
        query: of every point.
        curves: the first half of the result comes from these values.
        steps: the second half does.
        train: whether moments are taken.
    """
    frames, points, half = query.shape
    width = 2 * half
    sizes = len(curves.key[0]), len(steps.key[0])
    before = (0, half)  # columns of the result before either half

    def prepare(memory: Memory, before: int) -> Memory:
        after = width - before - memory.value.shape[-1]
        value = jnp.pad(memory.value, ((0, 0), (0, 0), (before, after)))
        return Memory(program.pad(memory.key, (1, 2)), program.pad(value, (1, 2)))

    memories = [prepare(memory, columns) for memory, columns in zip((curves, steps), before, strict=True)]
    result: Any = _attend(sizes, train, program.pad(query), *memories)
    if not train:
        return result[0][..., :width], None
    y, squares, total = result
    return y[..., :width], moments_from_sums(total[:width], squares[:width, :width], frames * points)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _attend(sizes: tuple[int, int], train: bool, query: Array, curves: Memory, steps: Memory) -> tuple[Array, ...]:
    """Returns what points attend to, and in training the sums over all points of y y^T and of y."""
    return _forward(sizes, train, query, curves, steps)[0]


def _forward(sizes: tuple[int, int], train: bool, query: Array, curves: Memory, steps: Memory):
    frames, points, _ = query.shape
    precision = at_least_float32(query[:0]).dtype
    outputs = [jax.ShapeDtypeStruct((frames, points, curves.value.shape[-1]), query.dtype)]
    if train:
        padded = outputs[0].shape[-1]
        outputs += [jax.ShapeDtypeStruct((frames, rows, padded), precision) for rows in (padded, 1)]
    kernel = functools.partial(_attend_frame, sizes=sizes)
    y, *sums = program.launch(kernel, (query, *curves, *steps), (), outputs, dtype=query.dtype, name="aggregation")
    if train:
        squares, total = (jnp.sum(part, axis=0) for part in sums)
        return (y, squares, total[0]), (query, curves, steps, y)
    return (y,), (query, curves, steps, y)


def _backward(sizes: tuple[int, int], train: bool, residuals: tuple, gradients: tuple[Array, ...]):
    query, curves, steps, y = residuals
    g, *sums = gradients
    constants = ()
    if train:
        squares, total = sums
        constants = (squares + squares.T, total[None])
    arrays = (query, *curves, *steps)
    outputs = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in arrays]
    kernel = functools.partial(_gradient_frame, sizes=sizes)
    query_gradient, *memories = program.launch(
        kernel, (*arrays, y, g), constants, outputs, dtype=jnp.float32, name="aggregation_gradient"
    )
    return query_gradient, Memory(*memories[:2]), Memory(*memories[2:])


_attend.defvjp(_forward, _backward)


# The programs. What ends in `_ref` lies in memory: of one frame, or a constant.


def _weights(query: Array, key: Array, size: int) -> Array:
    """Returns the softmax over the first `size` keys."""
    logits = program.product(query, key, contract=(1, 1))
    inside = lax.broadcasted_iota(jnp.int32, logits.shape, 1) < size
    logits = jnp.where(inside, logits, jnp.full_like(logits, -jnp.inf))
    weights = jnp.exp(logits - jnp.max(logits, axis=1)[:, None])
    return weights / jnp.sum(weights, axis=1)[:, None]


def _attend_frame(
    query_ref, curve_key_ref, curve_value_ref, step_key_ref, step_value_ref, y_ref, *sums_refs, sizes
) -> None:
    points, dtype = query_ref.shape[0], query_ref.dtype
    memories = ((curve_key_ref[...], curve_value_ref[...]), (step_key_ref[...], step_value_ref[...]))

    def block(rows, inside, sums):
        query = query_ref[rows, :]
        parts = [
            program.product(_weights(query, key, size).astype(dtype), value)
            for (key, value), size in zip(memories, sizes, strict=True)
        ]
        y = (parts[0] + parts[1]).astype(dtype)
        y_ref[rows, :] = y
        if not sums_refs:
            return sums
        counted = jnp.where(inside, y, jnp.zeros_like(y))
        squares, total = sums
        squares = squares + program.product(counted, counted, contract=(0, 0), precise=True)
        return squares, total + at_least_float32(counted)

    if not sums_refs:
        program.for_blocks(block, points, 0)
        return
    squares_ref, total_ref = sums_refs
    start = jnp.zeros_like(squares_ref), jnp.zeros((program.ROWS, total_ref.shape[1]), total_ref.dtype)
    squares_ref[...], total = program.for_blocks(block, points, start)
    total_ref[...] = jnp.sum(total, axis=0)[None]


def _gradient_frame(
    query_ref, curve_key_ref, curve_value_ref, step_key_ref, step_value_ref, y_ref, g_ref, *refs, sizes
) -> None:
    *moments_gradient, query_gradient_ref, curve_k_ref, curve_v_ref, step_k_ref, step_v_ref = refs
    points, dtype = query_ref.shape[0], query_ref.dtype
    memories = ((curve_key_ref[...], curve_value_ref[...]), (step_key_ref[...], step_value_ref[...]))

    def block(rows, inside, sums):
        query = query_ref[rows, :]
        weights = [_weights(query, key, size) for (key, _), size in zip(memories, sizes, strict=True)]
        g = at_least_float32(g_ref[rows, :])
        if moments_gradient:
            squares, total = (ref[...] for ref in moments_gradient)
            g = g + program.product(at_least_float32(y_ref[rows, :]), squares, precise=dtype != jnp.bfloat16) + total
        counted = jnp.where(inside, g, jnp.zeros_like(g)).astype(dtype)
        query_gradient = jnp.zeros(query.shape, g.dtype)
        new = []
        for w, (key, value), (key_sum, value_sum) in zip(weights, memories, sums, strict=True):
            w_gradient = program.product(g.astype(dtype), value, contract=(1, 1))
            logits = w * (w_gradient - jnp.sum(w * w_gradient, axis=1)[:, None])
            query_gradient += program.product(logits.astype(dtype), key)
            logits = jnp.where(inside, logits, jnp.zeros_like(logits)).astype(dtype)
            key_sum = key_sum + program.product(logits, query, contract=(0, 0))
            new.append((key_sum, value_sum + program.product(w.astype(dtype), counted, contract=(0, 0))))
        query_gradient_ref[rows, :] = query_gradient.astype(dtype)
        return tuple(new)

    precision = jnp.promote_types(dtype, jnp.float32)
    start = tuple(tuple(jnp.zeros(part.shape, precision) for part in memory) for memory in memories)
    sums = program.for_blocks(block, points, start)
    gradient_refs = ((curve_k_ref, curve_v_ref), (step_k_ref, step_v_ref))
    for refs_of_memory, values in zip(gradient_refs, sums, strict=True):
        for ref, value in zip(refs_of_memory, values, strict=True):
            ref[...] = value.astype(ref.dtype)

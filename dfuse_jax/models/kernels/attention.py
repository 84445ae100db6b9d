"""Attention within short sequences, without its scores and weights in memory.

The plain version is `models.transformer.attend`, of which XLA writes every transposition, score and weight. Here a
program reads queries, keys and values of one head of one sequence, and writes what its positions attend to. The
backward pass computes the weights anew. Rows are those of `kernels.rows`. Sizes are filled up to powers of two with
zeros, which are never weighed.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton
from jaxtyping import Array, Float

from dfuse_jax.models.kernels import program
from dfuse_jax.models.kernels.rows import Axis

_QUERY, _KEY, _VALUE = range(3)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def attend(qkv: Float[Array, "rows 3 heads width"], axis: Axis) -> Float[Array, "rows heads width"]:
    """Returns softmax(q k^T / sqrt(width)) v of every head, along an axis of the rows' positions."""
    return _launch(_attend, qkv, axis=axis, out=(qkv.shape[0], *qkv.shape[2:]), name="attention")


def _forward(qkv: Array, axis: Axis) -> tuple[Array, Array]:
    return attend(qkv, axis), qkv


def _backward(axis: Axis, qkv: Array, g: Array) -> tuple[Array]:
    return (_launch(_attend_gradient, qkv, g, axis=axis, out=qkv.shape, name="attention_gradient"),)


attend.defvjp(_forward, _backward)


def _launch(kernel: Callable, *arrays: Array, axis: Axis, out: tuple[int, ...], name: str) -> Array:
    """Runs a kernel for every head of every sequence; each array is [rows, ..., heads, width]."""
    rows, *_, heads, width = arrays[0].shape
    whole = pl.BlockSpec(memory_space=pl.ANY)  # a program picks its tile itself
    warps = max(1, _padded(axis.length) * _padded(width) // 512)  # as few as need no more registers than there are

    def call(*operands: Array, interpret: bool) -> Array:
        return pl.pallas_call(
            functools.partial(kernel, axis),
            grid=(rows // axis.length, heads),
            in_specs=[whole] * len(operands),
            out_specs=whole,
            out_shape=jax.ShapeDtypeStruct(out, arrays[0].dtype),
            compiler_params=triton.CompilerParams(num_warps=warps),
            interpret=interpret,
            name=name,
        )(*operands)

    return program.on_platform(call, arrays)


def _padded(size: int) -> int:
    """Returns how many rows or columns a tile has for so many: a power of two, and enough for a product."""
    return max(16, pl.next_power_of_2(size))


# The kernels: references are to [rows, (3,) heads, width]; a tile is one head of one sequence.


def _attend(axis: Axis, qkv_ref: Any, out_ref: Any) -> None:
    q, k, v = (_load(qkv_ref, axis, part) for part in (_QUERY, _KEY, _VALUE))
    weights = _weights(q, k, length=axis.length, width=qkv_ref.shape[-1])
    _store(out_ref, program.product(weights.astype(v.dtype), v), axis)


def _attend_gradient(axis: Axis, qkv_ref: Any, g_ref: Any, gradient_ref: Any) -> None:
    width = qkv_ref.shape[-1]
    q, k, v = (_load(qkv_ref, axis, part) for part in (_QUERY, _KEY, _VALUE))
    g = _load(g_ref, axis)
    weights = _weights(q, k, length=axis.length, width=width)
    _store(gradient_ref, program.product(weights.astype(g.dtype), g, contract=(0, 0)), axis, _VALUE)
    weights_gradient = program.product(g, v, contract=(1, 1))
    mean = jnp.sum(weights * weights_gradient, axis=1, keepdims=True)
    scores_gradient = (weights * (weights_gradient - mean) * width**-0.5).astype(q.dtype)
    _store(gradient_ref, program.product(scores_gradient, k), axis, _QUERY)
    _store(gradient_ref, program.product(scores_gradient, q, contract=(0, 0)), axis, _KEY)


def _weights(q: Array, k: Array, *, length: int, width: int) -> Array:
    """Returns the weight of every key [query, key], 0 past the end of the sequence; at least float32."""
    scores = program.product(q, k, contract=(1, 1)) * width**-0.5
    scores = jnp.where(lax.iota(jnp.int32, scores.shape[1]) < length, scores, -jnp.inf)
    weights = jnp.exp(scores - jnp.max(scores, axis=1, keepdims=True))
    return weights / jnp.sum(weights, axis=1, keepdims=True)


def _load(ref: Any, axis: Axis, *part: int) -> Array:
    """Returns the program's tile, in which what is not in the array is 0."""
    tile, inside = _tile(ref, axis, *part)
    return triton.load(tile, mask=inside, other=0)


def _store(ref: Any, value: Array, axis: Axis, *part: int) -> None:
    """Writes the program's tile."""
    tile, inside = _tile(ref, axis, *part)
    triton.store(tile, value.astype(ref.dtype), mask=inside)


def _tile(ref: Any, axis: Axis, *part: int) -> tuple[Any, Array]:
    """Returns a reference to the program's tile, and what of it is in the array."""
    width = ref.shape[-1]
    position, column = lax.iota(jnp.int32, _padded(axis.length)), lax.iota(jnp.int32, _padded(width))
    row = axis.first(pl.program_id(0)) + position * axis.inner
    inside = (position < axis.length)[:, None] & (column < width)[None, :]
    return ref.at[row[:, None], *part, pl.program_id(1), column[None, :]], inside

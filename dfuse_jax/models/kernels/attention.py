"""Attention within short sequences, without its scores and weights in memory.

The plain version is `models.transformer.attend_plainly`, of which XLA writes every transposition, score and weight.
Here a program reads queries, keys and values of one head of one sequence, and writes what its positions attend to. The
backward pass computes the weights anew. Sizes are filled up to powers of two with zeros, which are never weighed.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton
from jaxtyping import Array, Float

from dfuse_jax.models.kernels import program

_QUERY, _KEY, _VALUE = range(3)


@jax.custom_vjp
def attend(qkv: Float[Array, "*batch length 3 heads width"]) -> Float[Array, "*batch length heads width"]:
    """Returns softmax(q k^T / sqrt(width)) v of every head; on a CPU the kernel is interpreted."""
    return _launch(_attend, qkv, out=(*qkv.shape[:-3], *qkv.shape[-2:]), name="attention")


def _forward(qkv: Array) -> tuple[Array, Array]:
    return attend(qkv), qkv


def _backward(qkv: Array, g: Array) -> tuple[Array]:
    return (_launch(_attend_gradient, qkv, g, out=qkv.shape, name="attention_gradient"),)


attend.defvjp(_forward, _backward)


def _launch(kernel: Callable, qkv: Array, *gradients: Array, out: tuple[int, ...], name: str) -> Array:
    """Runs a kernel for every head of every sequence; each array is [*batch, length, ..., heads, width]."""
    lead = qkv.ndim - 4
    length, _, heads, width = qkv.shape[lead:]
    whole = pl.BlockSpec(memory_space=pl.ANY)  # a program picks its tile itself
    warps = max(1, _padded(length) * _padded(width) // 512)  # as few as need no more registers than there are

    def call(*operands: Array, interpret: bool) -> Array:
        rows = [x.reshape(-1, *x.shape[lead:]) for x in operands]
        shape = (len(rows[0]), *out[lead:])
        result = pl.pallas_call(
            kernel,
            grid=(len(rows[0]), heads),
            in_specs=[whole] * len(rows),
            out_specs=whole,
            out_shape=jax.ShapeDtypeStruct(shape, qkv.dtype),
            compiler_params=triton.CompilerParams(num_warps=warps),
            interpret=interpret,
            name=name,
        )(*rows)
        return result.reshape(out)

    return program.on_platform(call, (qkv, *gradients))


def _padded(size: int) -> int:
    """Returns how many rows or columns a tile has for so many: a power of two, and enough for a product."""
    return max(16, pl.next_power_of_2(size))


# The kernels: references are to [sequences, length, (3,) heads, width]; a tile is one head of one sequence.


def _attend(qkv_ref, out_ref) -> None:
    q, k, v = (_load(qkv_ref, part) for part in (_QUERY, _KEY, _VALUE))
    weights = _weights(q, k, length=qkv_ref.shape[1], width=qkv_ref.shape[-1])
    _store(out_ref, _product(weights.astype(v.dtype), v))


def _attend_gradient(qkv_ref, g_ref, gradient_ref) -> None:
    length, width = qkv_ref.shape[1], qkv_ref.shape[-1]
    q, k, v = (_load(qkv_ref, part) for part in (_QUERY, _KEY, _VALUE))
    g = _load(g_ref)
    weights = _weights(q, k, length=length, width=width)
    _store(gradient_ref, _product(weights.astype(g.dtype), g, contract=(0, 0)), _VALUE)
    weights_gradient = _product(g, v, contract=(1, 1))
    mean = jnp.sum(weights * weights_gradient, axis=1, keepdims=True)
    scores_gradient = (weights * (weights_gradient - mean) * width**-0.5).astype(q.dtype)
    _store(gradient_ref, _product(scores_gradient, k), _QUERY)
    _store(gradient_ref, _product(scores_gradient, q, contract=(0, 0)), _KEY)


def _weights(q: Array, k: Array, *, length: int, width: int) -> Array:
    """Returns the weight of every key [query, key], 0 past the end of the sequence; at least float32."""
    scores = _product(q, k, contract=(1, 1)) * width**-0.5
    scores = jnp.where(lax.iota(jnp.int32, scores.shape[1]) < length, scores, -jnp.inf)
    weights = jnp.exp(scores - jnp.max(scores, axis=1, keepdims=True))
    return weights / jnp.sum(weights, axis=1, keepdims=True)


def _product(a: Array, b: Array, contract: tuple[int, int] = (1, 0)) -> Array:
    """Returns the product of two matrices over an axis of each, at least in float32."""
    dimensions = (((contract[0],), (contract[1],)), ((), ()))
    return lax.dot_general(a, b, dimensions, preferred_element_type=jnp.promote_types(a.dtype, jnp.float32))


def _load(ref, *part: int) -> Array:
    """Returns the program's tile, in which what is not in the array is 0."""
    tile, inside = _tile(ref, *part)
    return triton.load(tile, mask=inside, other=0)


def _store(ref, value: Array, *part: int) -> None:
    """Writes the program's tile."""
    tile, inside = _tile(ref, *part)
    triton.store(tile, value.astype(ref.dtype), mask=inside)


def _tile(ref, *part: int):
    """Returns a reference to the program's tile, and what of it is in the array."""
    length, width = ref.shape[1], ref.shape[-1]
    row, column = lax.iota(jnp.int32, _padded(length))[:, None], lax.iota(jnp.int32, _padded(width))[None, :]
    return ref.at[pl.program_id(0), row, *part, pl.program_id(1), column], (row < length) & (column < width)

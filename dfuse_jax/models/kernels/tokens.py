"""The map of a frame's points to its tokens, without a copy of the points' features laid out for one large product.

The plain version is an einsum in `models.dfusesmilenet`. M counts frames, N points, T tokens.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton
from jaxtyping import Array, Float

from dfuse_jax.models.kernels import program
from dfuse_jax.models.kernels.program import ROWS

_COLUMNS = 256  # that a program holds at once
_PROGRAMS = 64  # that share the frames which a kernel's gradient sums over


@jax.custom_vjp
def mix(
    kernel: Float[Array, "points tokens"], x: Float[Array, "frames points width"]
) -> Float[Array, "frames tokens width"]:
    """Returns kernel^T x of every frame."""
    tokens, width = kernel.shape[1], x.shape[-1]
    padded, weights = program.pad(x), program.pad(kernel)
    like = jax.ShapeDtypeStruct((len(x), weights.shape[1], padded.shape[-1]), x.dtype)
    (y,) = program.launch(_mix, (padded,), (weights,), (like,), dtype=x.dtype, name="tokens")
    return y[:, :tokens, :width]


def _forward(kernel: Array, x: Array) -> tuple[Array, tuple[Array, Array]]:
    return mix(kernel, x), (kernel, x)


def _backward(residuals: tuple[Array, Array], g: Array) -> tuple[Array, Array]:
    kernel, x = residuals
    padded, weights = program.pad(g, (1, 2)), program.pad(kernel)
    like = jax.ShapeDtypeStruct((*x.shape[:2], padded.shape[-1]), x.dtype)
    (x_gradient,) = program.launch(_spread, (padded,), (weights,), (like,), dtype=x.dtype, name="tokens_gradient")
    kernel_gradient = _kernel_gradient(program.pad(x), padded)[:, : kernel.shape[1]]
    return kernel_gradient.astype(kernel.dtype), x_gradient[..., : x.shape[-1]]


mix.defvjp(_forward, _backward)


def _kernel_gradient(x: Float[Array, "frames points width"], g: Float[Array, "frames tokens width"]) -> Array:
    """Returns the sum of x g^T over all frames, at least in float32."""
    frames, points, _ = x.shape
    blocks, at_once = pl.cdiv(points, ROWS), pl.cdiv(frames, _PROGRAMS)
    programs = pl.cdiv(frames, at_once)
    precision = jnp.promote_types(x.dtype, jnp.float32)
    whole = pl.BlockSpec(memory_space=pl.ANY)  # a program picks its frames and points itself

    def call(*operands: Array, interpret: bool) -> Array:
        return pl.pallas_call(
            functools.partial(_sum_products, at_once),
            grid=(blocks, programs),
            in_specs=[whole, whole],
            out_specs=whole,
            out_shape=jax.ShapeDtypeStruct((programs, blocks * ROWS, g.shape[1]), precision),
            compiler_params=triton.CompilerParams(num_warps=program.WARPS, num_stages=1),
            interpret=interpret,
            name="tokens_kernel_gradient",
        )(*operands)

    return jnp.sum(program.on_platform(call, (x, g)), axis=0)[:points]


# The programs. What ends in `_ref` lies in memory.


def _mix(x_ref: Any, kernel_ref: Any, y_ref: Any) -> None:
    """Writes a frame's tokens."""
    points, width = x_ref.shape
    precision = jnp.promote_types(y_ref.dtype, jnp.float32)
    for start in range(0, width, _COLUMNS):
        part = slice(start, min(start + _COLUMNS, width))

        def block(rows, inside, total, part=part):
            weights = jnp.where(inside, kernel_ref[rows, :], jnp.zeros((), kernel_ref.dtype))
            return total + program.product(weights, x_ref[rows, part], contract=(0, 0))

        zeros = jnp.zeros((y_ref.shape[0], part.stop - start), precision)
        y_ref[:, part] = program.for_blocks(block, points, zeros).astype(y_ref.dtype)


def _spread(g_ref: Any, kernel_ref: Any, x_gradient_ref: Any) -> None:
    """Writes the gradient of a frame's points."""
    points, width = x_gradient_ref.shape
    for start in range(0, width, _COLUMNS):
        part = slice(start, min(start + _COLUMNS, width))
        g = g_ref[:, part]

        def block(rows, inside, carry, part=part, g=g):
            x_gradient_ref[rows, part] = program.product(kernel_ref[rows, :], g).astype(x_gradient_ref.dtype)
            return carry

        program.for_blocks(block, points, 0)


def _sum_products(at_once: int, x_ref: Any, g_ref: Any, sums_ref: Any) -> None:
    """Writes the sum over some frames of the products of a block of points with all tokens."""
    frames, points, width = x_ref.shape
    tokens = g_ref.shape[1]
    number, first = pl.program_id(1), pl.program_id(1) * at_once
    row = pl.program_id(0) * ROWS + lax.iota(jnp.int32, ROWS)
    token, column = lax.iota(jnp.int32, tokens), lax.iota(jnp.int32, width)

    def add(step, total):
        counted = first + step < frames
        frame = jnp.minimum(first + step, frames - 1)
        inside = (row < points)[:, None] & (column < width)[None, :] & counted
        x = triton.load(x_ref.at[frame, row[:, None], column[None, :]], mask=inside, other=0)
        g = triton.load(g_ref.at[frame, token[:, None], column[None, :]])
        return total + program.product(x, g, contract=(1, 1))

    total = lax.fori_loop(0, at_once, add, jnp.zeros((ROWS, tokens), sums_ref.dtype))
    triton.store(sums_ref.at[number, row[:, None], token[None, :]], total)

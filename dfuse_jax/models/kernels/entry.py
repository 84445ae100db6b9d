"""The largest value among every point's neighbours, feature by feature, without what is gathered in memory.

The plain version is in `curvenet.lpfa.Entry`. Neighbours of the same largest value share its gradient, as in `jnp.max`.
"""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from dfuse_jax.models.cloud import Incoming
from dfuse_jax.models.kernels import program


def largest(
    x: Float[Array, "frames points width"],
    neighbours: Int[Array, "frames points neighbours+1"],
    incoming: Incoming,
) -> Float[Array, "frames points width"]:
    """Returns the largest x of every point's neighbours, of which the last one is not counted."""
    return _largest(program.pad(x), neighbours, incoming)[..., : x.shape[-1]]


@jax.custom_vjp
def _largest(x: Array, neighbours: Array, incoming: Incoming) -> Array:
    like = jax.ShapeDtypeStruct(x.shape, x.dtype)
    (y,) = program.launch(_largest_frame, (x, neighbours), (), (like,), dtype=x.dtype, name="entry")
    return y


def _forward(x: Array, neighbours: Array, incoming: Incoming):
    like = jax.ShapeDtypeStruct(x.shape, x.dtype)
    y, ties = program.launch(_largest_frame, (x, neighbours), (), (like, like), dtype=x.dtype, name="entry")
    return y, (x, y, ties, incoming)


def _backward(residuals: tuple, g: Array):
    x, y, ties, incoming = residuals
    like = jax.ShapeDtypeStruct(x.shape, x.dtype)
    arrays = (x, y, g / ties, *incoming)
    (gradient,) = program.launch(_gradient_frame, arrays, (), (like,), dtype=x.dtype, name="entry_gradient")
    return gradient, None, None


_largest.defvjp(_forward, _backward)


# The programs. What ends in `_ref` lies in memory, of one frame.


def _largest_frame(x_ref, neighbours_ref, y_ref, *ties_refs) -> None:
    points, neighbours = neighbours_ref.shape

    def block(rows, inside, carry):
        def compare(k, carry):
            y, ties = carry
            x = x_ref[neighbours_ref[rows, k].astype(jnp.int32), :]
            ties = jnp.where(x > y, jnp.ones_like(ties), ties + (x == y).astype(ties.dtype))
            return jnp.maximum(x, y), ties

        first = x_ref[neighbours_ref[rows, 0].astype(jnp.int32), :]
        y_ref[rows, :], ties = lax.fori_loop(1, neighbours - 1, compare, (first, jnp.ones_like(first)))
        for ref in ties_refs:
            ref[rows, :] = ties
        return carry

    program.for_blocks(block, points, 0)


def _gradient_frame(x_ref, y_ref, share_ref, sources_ref, first_ref, gradient_ref) -> None:
    def block(rows, inside, carry):
        x = x_ref[rows, :]

        def add(source, counted, total):
            share = jnp.where(y_ref[source, :] == x, share_ref[source, :], jnp.zeros_like(x))
            return total + jnp.where(counted, share, jnp.zeros_like(x))

        gradient_ref[rows, :] = program.for_incoming(add, rows, sources_ref, first_ref, jnp.zeros_like(x))
        return carry

    program.for_blocks(block, x_ref.shape[0], 0)

"""Kernels of histograms."""

import functools

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


@functools.partial(jax.jit, static_argnames="block")
def intersection(
    one: Float[Array, "rows features"], other: Float[Array, "columns features"], *, block: int = 16
) -> Float[Array, "rows columns"]:
    """Returns the histogram intersection kernel, the sums of minima, `block` rows at a time."""
    rows = jnp.pad(one, ((0, -len(one) % block), (0, 0))).reshape(-1, block, one.shape[1])
    sums = lax.map(lambda part: jnp.minimum(part[:, None], other[None]).sum(axis=-1), rows)
    return sums.reshape(-1, len(other))[: len(one)]

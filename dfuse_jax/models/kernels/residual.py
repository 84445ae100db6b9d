"""A branch joins the residual stream and the stream is normed, in one kernel a pass.

The plain version is what `models.transformer.Block` writes: x + dropout(y + bias), a LayerNorm of it and, before an
attention, the normed input beside its coded and dropped copy. Rows are those of `kernels.rows`.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, UInt32

from dfuse_jax.models.kernels import rows
from dfuse_jax.models.kernels.rows import Axis, Tile
from dfuse_jax.models.layers import NORM_EPSILON


class Branch(NamedTuple):
    """What joins the stream: dropout(y + bias).

    Attributes:
        y: a product; None in the backward pass, which does not read it.
        bias: of the product.
        drop: what `rows.pack` gives; None: nothing is dropped.
        axis: along which the block attends.
    """

    y: Float[Array, "rows width"] | None
    bias: Float[Array, " width"]
    drop: UInt32[Array, "3"] | None
    axis: Axis


class Norm(NamedTuple):
    """Parameters of a LayerNorm."""

    scale: Float[Array, " width"]
    bias: Float[Array, " width"]


class Code(NamedTuple):
    """What is added to the normed stream n: dropout(n + code).

    Attributes:
        code: of every position on the axis; it is constant.
        drop: what `rows.pack` gives; None: nothing is dropped.
        axis: along which the block attends.
    """

    code: Float[Array, "length width"]
    drop: UInt32[Array, "3"] | None
    axis: Axis


class Stream(NamedTuple):
    """What a kernel joins and norms.

    Attributes:
        x: the stream so far; None in a kernel that does not read it.
        branch: what joins it; None: nothing.
        norm: of the stream; None: it is not normed.
        code: is added to the normed stream; None: nothing is.
    """

    x: Any
    branch: Branch | None = None
    norm: Norm | None = None
    code: Code | None = None


class Joined(NamedTuple):
    """A stream after its branch has joined, and normed; None where it is not.

    Attributes:
        x: the stream [rows, width], or the shape and type that it will have.
        normed: likewise.
    """

    x: Any
    normed: Any


class _Gradients(NamedTuple):
    """Those of the stream, None if it is only added to, and of what joined it, None if nothing did; see `Joined`."""

    x: Any
    y: Any


@jax.custom_vjp
def join(stream: Stream) -> Joined:
    """Returns the joined and normed stream."""
    x, branch, norm, _ = stream
    like = jax.ShapeDtypeStruct(x.shape, x.dtype)
    outputs = Joined(None if branch is None else like, None if norm is None else like)
    joined, _ = rows.launch(_join, stream, outputs, shape=x.shape, name="join")
    return joined if branch is not None else joined._replace(x=x)


def _forward(stream: Stream) -> tuple[Joined, Stream]:
    joined = join(stream)
    branch = stream.branch
    return joined, stream._replace(x=joined.x, branch=branch and branch._replace(y=None))


def _backward(stream: Stream, g: Joined) -> tuple[Stream]:
    x, branch, norm, _ = stream
    like = jax.ShapeDtypeStruct(x.shape, x.dtype)
    outputs = _Gradients(None if norm is None else like, None if branch is None else like)
    sums = 2 * (norm is not None) + (branch is not None)
    operands = stream if norm is not None else stream._replace(x=None)
    gradients, totals = rows.launch(
        _join_gradient, (operands, g), outputs, shape=x.shape, sums=sums, name="join_gradient"
    )
    return (
        Stream(
            x=g.x if norm is None else gradients.x,
            branch=branch and Branch(gradients.y, totals[-1].astype(branch.bias.dtype), None, branch.axis),
            norm=norm and Norm(*(total.astype(norm.scale.dtype) for total in totals[:2])),
            code=None,
        ),
    )


join.defvjp(_forward, _backward)


# The kernels: what is a tree of arrays above is a tree of references.


def _join(tile: Tile, stream: Any, joined: Any) -> None:
    x_ref, branch, norm, code = stream
    dtype = x_ref.dtype
    x = tile.load(x_ref)
    if branch is not None:
        drop = tile.dropping(branch.drop, branch.axis, dtype)
        x = x + drop(tile.load(branch.y) + tile.load_vector(branch.bias))
        tile.store(joined.x, x)
        x = x.astype(dtype).astype(x.dtype)  # as the backward pass reads it
    if norm is not None:
        normed = _normalise(tile, x)[0] * tile.load_vector(norm.scale) + tile.load_vector(norm.bias)
        if code is not None:
            drop = tile.dropping(code.drop, code.axis, dtype)
            normed = normed + drop(normed + tile.load_code(code.code, code.axis))
        tile.store(joined.normed, normed)


def _join_gradient(tile: Tile, operands: Any, gradients: Any) -> list[Array]:
    """Writes the gradients of the stream and of y; returns what sums to those of the norm and of the branch's bias."""
    (x_ref, branch, norm, code), g = operands
    dtype = g.x.dtype
    x_gradient = tile.load(g.x)
    terms = []
    if norm is not None:
        normed_gradient = tile.load(g.normed)
        if code is not None:
            normed_gradient = normed_gradient + tile.dropping(code.drop, code.axis, dtype)(normed_gradient)
        normalised, factor = _normalise(tile, tile.load(x_ref))
        terms = [normed_gradient * normalised, normed_gradient]
        inner = normed_gradient * tile.load_vector(norm.scale)
        mean, slope = (jnp.sum(v, axis=1, keepdims=True) / tile.width for v in (inner, inner * normalised))
        x_gradient = x_gradient + factor * (inner - mean - normalised * slope)
        tile.store(gradients.x, x_gradient)
    if branch is not None:
        y_gradient = tile.dropping(branch.drop, branch.axis, dtype)(x_gradient)
        tile.store(gradients.y, y_gradient)
        terms = [*terms, y_gradient]
    return terms


def _normalise(tile: Tile, x: Array) -> tuple[Array, Array]:
    """Returns rows with mean 0 and variance 1, and by what they were multiplied; 0 outside the matrix."""
    mean = jnp.sum(x, axis=1, keepdims=True) / tile.width
    centred = jnp.where(tile.inside, x - mean, jnp.zeros_like(x))
    variance = jnp.sum(centred * centred, axis=1, keepdims=True) / tile.width
    factor = lax.rsqrt(variance + NORM_EPSILON)
    return centred * factor, factor

"""LPFA without its edges in memory: batch norm, map and mean of the edges in one function with its own gradient.

The plain version is in `curvenet.lpfa`. M counts frames, N points, K neighbours. A program reads a frame's points and
computes every edge when it is needed. For the gradients it needs each twice: among the edges of its point, and among
those that lead to its neighbour, which `Incoming` lists. So nothing is added to in memory, and the sums are the same
every time.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int

from dfuse_jax.models.cloud import Incoming
from dfuse_jax.models.kernels import program
from dfuse_jax.models.layers import at_least_float32, leaky_relu
from dfuse_jax.models.norms import Affine, NormState, moments_from_sums


class Edges(NamedTuple):
    """The edges from points i to their neighbours j, e = LReLU(neighbour_part[j] + point_part[i]).

    Attributes:
        neighbour_part: at least in float32, in which the sum is computed.
        point_part: likewise.
        neighbours: of every point, of which the last one is not used.
        incoming: of every point.
    """

    neighbour_part: Float[Array, "frames points width"]
    point_part: Float[Array, "frames points width"]
    neighbours: Int[Array, "frames points neighbours+1"]
    incoming: Incoming


def aggregate(
    edges: Edges, kernel: Float[Array, "width width"], norm: NormState, *, dtype: DTypeLike, train: bool
) -> tuple[Float[Array, "frames points width"], NormState]:
    """Returns the mean over every point's neighbours of LReLU(norm(e kernel)), and the norm after this batch.

    Args:
        edges: of all points.
        kernel: of a linear map.
        norm: of the mapped edges.
        dtype: precision of edges and products.
        train: whether the norm's statistics are the edges' own.
    """
    width = edges.neighbour_part.shape[-1]
    edges = edges._replace(neighbour_part=program.pad(edges.neighbour_part), point_part=program.pad(edges.point_part))
    result: Any = _aggregate(jnp.dtype(dtype), train, edges, at_least_float32(kernel), norm)
    y, norm = result
    return y[..., :width], jax.tree.map(lax.stop_gradient, norm)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _aggregate(dtype: jnp.dtype, train: bool, edges: Edges, kernel: Array, norm: NormState) -> tuple[Array, NormState]:
    return _forward(dtype, train, edges, kernel, norm)[0]


def _forward(dtype: jnp.dtype, train: bool, edges: Edges, kernel: Array, norm: NormState):
    sums = _edge_sums(dtype, edges, len(kernel)) if train else None
    mlp, after = _fold(edges, norm, kernel, sums)
    like = jax.ShapeDtypeStruct(edges.point_part.shape, dtype)
    (y,) = program.launch(_aggregate_frame, edges[:3], _constants(mlp, dtype), (like,), dtype=dtype, name="lpfa")
    return (y, after), (edges, kernel, norm, sums)


def _backward(dtype: jnp.dtype, train: bool, residuals: tuple, gradients: tuple[Array, NormState]):
    edges, kernel, norm, sums = residuals
    g, width, precision = gradients[0], len(kernel), edges.point_part.dtype
    mlp, pull, _ = jax.vjp(functools.partial(_fold, edges), norm, kernel, sums, has_aux=True)
    constants = _constants(mlp, dtype)
    affine = _affine_gradient(edges, g, constants, width)
    norm_gradient, kernel_gradient, sums_gradient = pull(affine)
    if train:
        squares, total = sums_gradient
        constants = (*constants, program.pad(squares + squares.T, (0, 1)), program.pad(total[None]))
    parts = [jax.ShapeDtypeStruct(edges.point_part.shape, precision)] * 2
    neighbour_part, point_part = program.launch(
        functools.partial(_edges_gradient_frame, train=train),
        (*edges[:3], *edges.incoming, g),
        constants,
        parts,
        dtype=dtype,
        name="lpfa_edges_gradient",
    )
    gradient = edges._replace(neighbour_part=neighbour_part, point_part=point_part, neighbours=None, incoming=None)
    return gradient, kernel_gradient, norm_gradient


_aggregate.defvjp(_forward, _backward)


def _fold(edges: Edges, norm: NormState, kernel: Array, sums: tuple[Array, Array] | None) -> tuple[Affine, NormState]:
    """Returns map and norm as one affine map, and the norm after this batch."""
    if sums is None:
        return norm.fold(kernel, None)
    squares, total = sums
    frames, points, neighbours = edges.neighbours.shape
    return norm.fold(kernel, moments_from_sums(total, squares, frames * points * (neighbours - 1)))


def _constants(mlp: Affine, dtype: jnp.dtype) -> tuple[Array, Array]:
    """Returns kernel and shift as a program reads them."""
    mlp = mlp.astype(dtype)
    return program.pad(mlp.kernel, (0, 1)), program.pad(mlp.shift[None])


def _edge_sums(dtype: jnp.dtype, edges: Edges, width: int) -> tuple[Array, Array]:
    """Returns the sums over all edges of e e^T and of e."""
    frames, _, padded = edges.point_part.shape
    squares = jax.ShapeDtypeStruct((frames, padded, padded), edges.point_part.dtype)
    total = jax.ShapeDtypeStruct((frames, 1, padded), edges.point_part.dtype)
    kernel = functools.partial(_moments_frame, dtype=dtype)
    squares, total = program.launch(kernel, edges[:3], (), (squares, total), dtype=dtype, name="lpfa_moments")
    return jnp.sum(squares, axis=0)[:width, :width], jnp.sum(total, axis=(0, 1))[:width]


def _affine_gradient(edges: Edges, g: Array, constants: tuple[Array, Array], width: int) -> Affine:
    """Returns the gradient of kernel and shift."""
    frames, _, padded = edges.point_part.shape
    kernel = jax.ShapeDtypeStruct((frames, padded, padded), edges.point_part.dtype)
    shift = jax.ShapeDtypeStruct((frames, 1, padded), edges.point_part.dtype)
    kernel, shift = program.launch(
        _affine_gradient_frame,
        (*edges[:3], g),
        constants,
        (kernel, shift),
        dtype=constants[0].dtype,
        name="lpfa_affine_gradient",
    )
    return Affine(jnp.sum(kernel, axis=0)[:width, :width], jnp.sum(shift, axis=(0, 1))[:width])


# The programs. What ends in `_ref` lies in memory: [N, ...] of one frame, or a constant.


def _slope(x: Array) -> Array:
    """Returns the derivative of LReLU at x, or where its value is x."""
    return jnp.where(x >= 0, jnp.ones_like(x), jnp.full_like(x, 0.2))


def _aggregate_frame(neighbour_ref, point_ref, neighbours_ref, kernel_ref, shift_ref, y_ref) -> None:
    points, neighbours = neighbours_ref.shape
    kernel, shift = kernel_ref[...], at_least_float32(shift_ref[...])

    def block(rows, inside, carry):
        point_part = point_ref[rows, :]

        def add(k, total):
            e = leaky_relu(neighbour_ref[neighbours_ref[rows, k].astype(jnp.int32), :] + point_part)
            return total + leaky_relu(program.product(e.astype(kernel.dtype), kernel) + shift)

        total = lax.fori_loop(0, neighbours - 1, add, jnp.zeros_like(point_part))
        y_ref[rows, :] = (total / (neighbours - 1)).astype(y_ref.dtype)
        return carry

    program.for_blocks(block, points, 0)


def _moments_frame(neighbour_ref, point_ref, neighbours_ref, squares_ref, total_ref, *, dtype) -> None:
    points, neighbours = neighbours_ref.shape

    def block(rows, inside, sums):
        point_part = point_ref[rows, :]

        def add(k, sums):
            squares, total = sums
            e = leaky_relu(neighbour_ref[neighbours_ref[rows, k].astype(jnp.int32), :] + point_part)
            e = jnp.where(inside, e, jnp.zeros_like(e)).astype(dtype)
            return squares + program.product(e, e, contract=(0, 0), precise=True), total + at_least_float32(e)

        return lax.fori_loop(0, neighbours - 1, add, sums)

    start = jnp.zeros_like(squares_ref), jnp.zeros((program.ROWS, total_ref.shape[1]), total_ref.dtype)
    squares_ref[...], total = program.for_blocks(block, points, start)
    total_ref[...] = jnp.sum(total, axis=0)[None]


def _affine_gradient_frame(
    neighbour_ref, point_ref, neighbours_ref, g_ref, kernel_ref, shift_ref, kernel_gradient_ref, shift_gradient_ref
) -> None:
    points, neighbours = neighbours_ref.shape
    kernel, shift = kernel_ref[...], at_least_float32(shift_ref[...])

    def block(rows, inside, sums):
        point_part = point_ref[rows, :]
        g = jnp.where(inside, at_least_float32(g_ref[rows, :]) / (neighbours - 1), jnp.zeros_like(point_part))

        def add(k, sums):
            kernel_sum, shift_sum = sums
            e = leaky_relu(neighbour_ref[neighbours_ref[rows, k].astype(jnp.int32), :] + point_part)
            e = e.astype(kernel.dtype)
            z_gradient = g * _slope(program.product(e, kernel) + shift)
            product = program.product(e, z_gradient.astype(kernel.dtype), contract=(0, 0))
            return kernel_sum + product, shift_sum + z_gradient

        return lax.fori_loop(0, neighbours - 1, add, sums)

    size, precision = kernel_gradient_ref.shape[0], kernel_gradient_ref.dtype
    start = jnp.zeros((size, size), precision), jnp.zeros((program.ROWS, size), precision)
    kernel_gradient_ref[...], shift_sum = program.for_blocks(block, points, start)
    shift_gradient_ref[...] = jnp.sum(shift_sum, axis=0)[None]


def _edges_gradient_frame(
    neighbour_ref, point_ref, neighbours_ref, sources_ref, first_ref, g_ref, kernel_ref, shift_ref, *refs, train
) -> None:
    *moments_gradient, neighbour_gradient_ref, point_gradient_ref = refs
    points, neighbours = neighbours_ref.shape
    kernel, shift = kernel_ref[...], at_least_float32(shift_ref[...])

    def read(rows):
        return at_least_float32(g_ref[rows, :]) / (neighbours - 1)

    def edge_gradient(sum_of_parts, g):
        e = leaky_relu(sum_of_parts).astype(kernel.dtype)
        z_gradient = g * _slope(program.product(e, kernel) + shift)
        gradient = program.product(z_gradient.astype(kernel.dtype), kernel, contract=(1, 1))
        if train:
            squares, total = (ref[...] for ref in moments_gradient)
            # Edges in bfloat16 are exact in any case, and their gradient is rounded to as much.
            precise = e.dtype != jnp.bfloat16
            gradient += program.product(at_least_float32(e), squares, precise=precise) + total
        return gradient * _slope(sum_of_parts)

    def block(rows, inside, carry):
        neighbour_part, point_part, g = neighbour_ref[rows, :], point_ref[rows, :], read(rows)

        def outgoing(k, total):
            part = neighbour_ref[neighbours_ref[rows, k].astype(jnp.int32), :]
            return total + edge_gradient(part + point_part, g)

        zeros = jnp.zeros_like(point_part)
        point_gradient_ref[rows, :] = lax.fori_loop(0, neighbours - 1, outgoing, zeros)

        def incoming(source, counted, total):
            gradient = edge_gradient(neighbour_part + point_ref[source, :], read(source))
            return total + jnp.where(counted, gradient, zeros)

        neighbour_gradient_ref[rows, :] = program.for_incoming(incoming, rows, sources_ref, first_ref, zeros)
        return carry

    program.for_blocks(block, points, 0)

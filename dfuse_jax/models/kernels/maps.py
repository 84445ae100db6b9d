"""Affine maps of points, their sum, an activation and dropout in one pass: y = LReLU(x W + x' W' + ... + shift).

The plain version writes every product before it adds it. The gradient needs the inputs and y alone, whose sign is that
of what is activated, and which is positive where ReLU and dropout let values through. It is left to XLA, as its
products are plain ones.
"""

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from dfuse_jax.models.kernels import program, rows
from dfuse_jax.models.layers import DROP_LEVELS, Drop, at_least_float32
from dfuse_jax.models.norms import Affine, Moments, NormState

_TILE = 1 << 14  # bytes of a kernel that a program holds at once


def activate(
    inputs: Sequence[Float[Array, "frames points _"]],
    maps: Sequence[Affine],
    *,
    slope: float,
    residual: Float[Array, "frames points width"] | None = None,
    drop: Drop | None = None,
) -> Float[Array, "frames points width"]:
    """Returns the LReLU of the sum of all inputs' maps and of the residual.

    Args:
        inputs: of one type, in which the products are computed.
        maps: one for each input.
        slope: of the LReLU where it is negative; 0 is ReLU.
        residual: of the inputs' type.
        drop: what is dropped of a ReLU's values, whose width 4 divides; None: nothing.
    """
    kernels = [each.kernel.astype(x.dtype) for each, x in zip(maps, inputs, strict=True)]
    shift = functools.reduce(jnp.add, (at_least_float32(each.shift) for each in maps))
    return _activate(slope, tuple(inputs), tuple(kernels), shift, residual, rows.pack(drop))


def normalise_and_activate(
    inputs: Sequence[Float[Array, "frames points _"]],
    kernels: Sequence[Float[Array, "_ width"]],
    norms: Sequence[NormState],
    moments: Sequence[Moments],
    *,
    slope: float,
    residual: Float[Array, "frames points width"] | None = None,
    drop: Drop | None = None,
) -> Float[Array, "frames points width"]:
    """Returns what `activate` does with linear maps, each of which a batch norm follows.

    The moments are those of the inputs, which is how they have a gradient: an input's is found in one pass, with what
    it owes to its moments.

    Args:
        inputs: see `activate`.
        kernels: of the linear maps.
        norms: of these.
        moments: of the inputs.
        slope: see `activate`.
        residual: see `activate`.
        drop: see `activate`.
    """
    constants = tuple(jax.tree.map(lax.stop_gradient, each) for each in moments)
    maps = _Maps(tuple(inputs), tuple(kernels), tuple(norms), constants, residual, rows.pack(drop))
    return _normalise_and_activate(slope, maps)


class _Maps(NamedTuple):
    inputs: tuple[Array, ...]
    kernels: tuple[Array, ...]
    norms: tuple[NormState, ...]
    moments: tuple[Moments, ...]
    residual: Array | None
    drop: Array | None


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _normalise_and_activate(slope: float, maps: _Maps) -> Array:
    return _activate(slope, *_fold(maps), maps.residual, maps.drop)


def _fold(maps: _Maps) -> tuple[tuple[Array, ...], tuple[Array, ...], Array]:
    """Returns the inputs, the kernels with their norms, in the inputs' precision, and the sum of all shifts."""
    folded = [
        norm.fold(kernel, moments)[0]
        for norm, kernel, moments in zip(maps.norms, maps.kernels, maps.moments, strict=True)
    ]
    kernels = tuple(each.kernel.astype(x.dtype) for each, x in zip(folded, maps.inputs, strict=True))
    return maps.inputs, kernels, functools.reduce(jnp.add, (each.shift for each in folded))


def _normalised_forward(slope: float, maps: _Maps):
    y = _normalise_and_activate(slope, maps)
    return y, (maps, y)


def _normalised_backward(slope: float, residuals: tuple[_Maps, Array], g: Array) -> tuple[_Maps]:
    maps, y = residuals
    g = _before_activation(slope, y, g, maps.drop)
    (_, kernels, shift), pull = jax.vjp(
        lambda kernels, norms, moments: _fold(maps._replace(kernels=kernels, norms=norms, moments=moments)),
        maps.kernels,
        maps.norms,
        maps.moments,
    )
    kernel_gradients = tuple(_kernel_gradient(x, g).astype(x.dtype) for x in maps.inputs)
    zeros = tuple(jnp.zeros_like(x) for x in maps.inputs)
    own, norms, moments = pull((zeros, kernel_gradients, _sum(g, shift.dtype)))
    inputs = tuple(
        _input_gradient(g, kernel, x, of_moments, mean=value.mean)
        for kernel, x, of_moments, value in zip(kernels, maps.inputs, moments, maps.moments, strict=True)
    )
    residual = None if maps.residual is None else g
    nothing = jax.tree.map(jnp.zeros_like, maps.moments)
    return (_Maps(inputs, own, norms, nothing, residual, None),)


_normalise_and_activate.defvjp(_normalised_forward, _normalised_backward)


def _input_gradient(g: Array, kernel: Array, x: Array, of_moments: Moments, *, mean: Array) -> Array:
    """Returns g W^T and what comes from the input's moments: of their mean m and covariance C = E[x x^T] - m m^T."""
    covariance = (of_moments.covariance + of_moments.covariance.T) / (x.size // x.shape[-1])
    shift = of_moments.mean / (x.size // x.shape[-1]) - covariance @ mean
    matrix = (kernel.T, covariance.astype(x.dtype))
    return _activate(1.0, (g, x), matrix, at_least_float32(shift), None, None)


def _before_activation(slope: float, y: Array, g: Array, drop: Array | None) -> Array:
    """Returns the gradient of what is activated and dropped, from that of the result y."""
    positive = y >= 0 if slope else y > 0
    g = jnp.where(positive, g, jnp.asarray(slope, g.dtype) * g)
    return g if drop is None else g / jnp.asarray(1 - drop[2] / DROP_LEVELS, g.dtype)


def _kernel_gradient(x: Array, g: Array) -> Array:
    others = tuple(range(g.ndim - 1))
    return lax.dot_general(x, g, ((others, others), ((), ())))


def _sum(g: Array, dtype: DTypeLike) -> Array:
    return jnp.sum(g, axis=tuple(range(g.ndim - 1)), dtype=dtype)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _activate(
    slope: float,
    inputs: tuple[Array, ...],
    kernels: tuple[Array, ...],
    shift: Array,
    residual: Array | None,
    drop: Array | None,
) -> Array:
    width = len(shift)
    arrays = [program.pad(x) for x in (*inputs, *([] if residual is None else [residual]))]
    constants = [*(program.pad(kernel, (0, 1)) for kernel in kernels), program.pad(shift[None])]
    like = jax.ShapeDtypeStruct((*inputs[0].shape[:-1], constants[-1].shape[-1]), inputs[0].dtype)
    kernel = functools.partial(_frame, slope=slope, number=len(inputs), shape=(*like.shape[:-1], width))
    if drop is not None:
        constants = [drop, *constants]
        kernel = functools.partial(kernel, drops=True)
    (y,) = program.launch(kernel, arrays, constants, (like,), dtype=like.dtype, name="maps")
    return y[..., :width]


def _forward(slope: float, inputs: tuple, kernels: tuple, shift: Array, residual: Array | None, drop: Array | None):
    y = _activate(slope, inputs, kernels, shift, residual, drop)
    return y, (inputs, kernels, shift, residual is not None, drop, y)


def _backward(slope: float, residuals: tuple, g: Array):
    inputs, kernels, shift, has_residual, drop, y = residuals
    g = _before_activation(slope, y, g, drop)
    input_gradients = tuple(lax.dot_general(g, kernel, (((g.ndim - 1,), (1,)), ((), ()))) for kernel in kernels)
    kernel_gradients = tuple(_kernel_gradient(x, g) for x in inputs)
    return input_gradients, kernel_gradients, _sum(g, shift.dtype), g if has_residual else None, None


_activate.defvjp(_forward, _backward)


def _frame(*refs, slope: float, number: int, shape: tuple[int, ...], drops: bool = False) -> None:
    """Writes y of a frame.

    Args:
        refs: to the inputs, to the residual and what is dropped if there are such, to the kernels, the shift, and y.
        slope: see `activate`.
        number: of inputs.
        shape: of all frames' y together, without what it is filled up with.
        drops: whether values are dropped.
    """
    *arrays, y_ref = refs
    *kernel_refs, shift_ref = arrays[-number - 1 :]
    input_refs, others = arrays[:number], arrays[number : -number - 1]
    drop_refs, residual_refs = (others[-1:], others[:-1]) if drops else ((), others)
    points, width = y_ref.shape
    first_point = pl.program_id(0) * points
    bytes_of_column = max(ref.shape[0] for ref in kernel_refs) * y_ref.dtype.itemsize
    columns = min(width, max(16, _TILE // bytes_of_column))

    def block(points_of_block, inside, carry):
        inputs = [ref[points_of_block, :] for ref in input_refs]
        for start in range(0, width, columns):
            part = slice(start, start + columns)
            total = shift_ref[:, part]
            for x, ref in zip(inputs, kernel_refs, strict=True):
                total = total + program.product(x, ref[:, part])
            for ref in residual_refs:
                total = total + at_least_float32(ref[points_of_block, part])
            y = jnp.where(total >= 0, total, slope * total)
            for ref in drop_refs:
                first = ((first_point + points_of_block) * shape[-1] + start) // 4
                fours = first[:, None] + lax.iota(jnp.int32, columns // 4)[None, :]
                y = rows.dropping(ref, fours, math.prod(shape) // 4, y_ref.dtype)(y)
            y_ref[points_of_block, part] = y.astype(y_ref.dtype)
        return carry

    program.for_blocks(block, points, 0)

"""Affine maps of points, their sum, an activation and dropout in one pass: y = LReLU(x W + x' W' + ... + shift).

The plain version writes every product before it adds it. The gradient needs the inputs and y alone, whose sign is that
of what is activated, and which is positive where ReLU and dropout let values through. It is left to XLA, as its
products are plain ones.
"""

import functools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jaxtyping import Array, Float

from dfuse_jax.models.kernels import program, rows
from dfuse_jax.models.layers import DROP_LEVELS, Drop, at_least_float32
from dfuse_jax.models.norms import Affine

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
    positive = y >= 0 if slope else y > 0
    g = jnp.where(positive, g, jnp.asarray(slope, g.dtype) * g)
    if drop is not None:
        g = g / jnp.asarray(1 - drop[2] / DROP_LEVELS, g.dtype)
    others = tuple(range(g.ndim - 1))
    input_gradients = tuple(lax.dot_general(g, kernel, (((g.ndim - 1,), (1,)), ((), ()))) for kernel in kernels)
    kernel_gradients = tuple(lax.dot_general(x, g, ((others, others), ((), ()))) for x in inputs)
    shift_gradient = jnp.sum(g, axis=others, dtype=shift.dtype)
    return input_gradients, kernel_gradients, shift_gradient, g if has_residual else None, None


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

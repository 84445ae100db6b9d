"""Affine maps of points, their sum and an activation in one pass: y = LReLU(x W + x' W' + ... + shift).

The plain version writes every product before it adds it. The gradient needs the inputs and y alone, whose sign is that
of what is activated; it is left to XLA, as its products are plain ones.
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from dfuse_jax.models.kernels import program
from dfuse_jax.models.layers import at_least_float32
from dfuse_jax.models.norms import Affine

_TILE = 1 << 14  # bytes of a kernel that a program holds at once


def activate(
    inputs: Sequence[Float[Array, "frames points _"]],
    maps: Sequence[Affine],
    *,
    slope: float,
    residual: Float[Array, "frames points width"] | None = None,
) -> Float[Array, "frames points width"]:
    """Returns the LReLU of the sum of all inputs' maps and of the residual.

    Args:
        inputs: of one type, in which the products are computed.
        maps: one for each input.
        slope: of the LReLU where it is negative; 0 is ReLU.
        residual: of the inputs' type.
    """
    kernels = [each.kernel.astype(x.dtype) for each, x in zip(maps, inputs, strict=True)]
    shift = functools.reduce(jnp.add, (at_least_float32(each.shift) for each in maps))
    return _activate(slope, tuple(inputs), tuple(kernels), shift, residual)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _activate(
    slope: float, inputs: tuple[Array, ...], kernels: tuple[Array, ...], shift: Array, residual: Array | None
) -> Array:
    width = len(shift)
    arrays = [program.pad(x) for x in (*inputs, *([] if residual is None else [residual]))]
    constants = [*(program.pad(kernel, (0, 1)) for kernel in kernels), program.pad(shift[None])]
    like = jax.ShapeDtypeStruct((*inputs[0].shape[:-1], constants[-1].shape[-1]), inputs[0].dtype)
    kernel = functools.partial(_frame, slope=slope, number=len(inputs))
    (y,) = program.launch(kernel, arrays, constants, (like,), dtype=like.dtype, name="maps")
    return y[..., :width]


def _forward(slope: float, inputs: tuple, kernels: tuple, shift: Array, residual: Array | None):
    y = _activate(slope, inputs, kernels, shift, residual)
    return y, (inputs, kernels, shift, residual is not None, y)


def _backward(slope: float, residuals: tuple, g: Array):
    inputs, kernels, shift, has_residual, y = residuals
    positive = y >= 0 if slope else y > 0
    g = jnp.where(positive, g, jnp.asarray(slope, g.dtype) * g)
    rows = tuple(range(g.ndim - 1))
    input_gradients = tuple(lax.dot_general(g, kernel, (((g.ndim - 1,), (1,)), ((), ()))) for kernel in kernels)
    kernel_gradients = tuple(lax.dot_general(x, g, ((rows, rows), ((), ()))) for x in inputs)
    shift_gradient = jnp.sum(g, axis=rows, dtype=shift.dtype)
    return input_gradients, kernel_gradients, shift_gradient, g if has_residual else None


_activate.defvjp(_forward, _backward)


def _frame(*refs, slope: float, number: int) -> None:
    *arrays, y_ref = refs
    *kernel_refs, shift_ref = arrays[-number - 1 :]
    input_refs, residual_refs = arrays[:number], arrays[number : -number - 1]
    points, width = y_ref.shape
    bytes_of_column = max(ref.shape[0] for ref in kernel_refs) * y_ref.dtype.itemsize
    columns = min(width, max(16, _TILE // bytes_of_column))

    def block(rows, inside, carry):
        inputs = [ref[rows, :] for ref in input_refs]
        for start in range(0, width, columns):
            part = slice(start, start + columns)
            total = shift_ref[:, part]
            for x, ref in zip(inputs, kernel_refs, strict=True):
                total = total + program.product(x, ref[:, part])
            for ref in residual_refs:
                total = total + at_least_float32(ref[rows, part])
            y_ref[rows, part] = jnp.where(total >= 0, total, slope * total).astype(y_ref.dtype)
        return carry

    program.for_blocks(block, points, 0)

"""What all kernels share: how they are called, and how their programs read blocks of rows.

A program computes one frame, a block of rows at a time. Blocks are powers of two, which 478 is not: past the end of an
array its last row is read, computed and written once more, which changes nothing. Sums count the rows that are
`inside`. Widths are powers of two too, and 16 at least, since a product on a GPU is: callers `pad` them with zeros.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float, Int

ROWS = 32  # of a block
WARPS = 4  # of a program; twice as many where values are as wide as their sums


def launch(
    kernel: Callable[..., None],
    arrays: Sequence[Array],
    constants: Sequence[Array],
    outputs: Sequence[jax.ShapeDtypeStruct],
    *,
    dtype: DTypeLike,
    name: str,
) -> list[Array]:
    """Runs a kernel with one program for every frame.

    Args:
        kernel: takes references to a frame of each array, to all of each constant, and to a frame of each output.
        arrays: [M, ...] each.
        constants: of any shape, which all frames share.
        outputs: shapes and types, [M, ...] each.
        dtype: precision of its products.
        name: of the kernel in a profile.

    Returns:
        The outputs. On a CPU the kernel is interpreted.
    """
    warps = WARPS if jnp.dtype(dtype).itemsize < 4 else 2 * WARPS

    def frame(shape: tuple[int, ...]) -> pl.BlockSpec:
        return pl.BlockSpec((None, *shape[1:]), lambda m: (m, *(0 for _ in shape[1:])))

    def whole(shape: tuple[int, ...]) -> pl.BlockSpec:
        return pl.BlockSpec(shape, lambda m: tuple(0 for _ in shape))

    def call(*operands: Array, interpret: bool) -> list[Array]:
        return pl.pallas_call(
            kernel,
            grid=(arrays[0].shape[0],),
            in_specs=[*(frame(a.shape) for a in arrays), *(whole(a.shape) for a in constants)],
            out_specs=[frame(a.shape) for a in outputs],
            out_shape=list(outputs),
            compiler_params=triton.CompilerParams(num_warps=warps, num_stages=1),
            interpret=interpret,
            name=name,
        )(*operands)

    return lax.platform_dependent(
        *arrays,
        *constants,
        cpu=lambda *operands: call(*operands, interpret=True),
        default=lambda *operands: call(*operands, interpret=False),
    )


def pad(x: Array, axes: Sequence[int] = (-1,)) -> Array:
    """Returns the array with zeros after its columns, or other axes, up to a width that a kernel takes."""
    widths = [(0, 0)] * x.ndim
    for axis in axes:
        widths[axis] = (0, max(16, pl.next_power_of_2(x.shape[axis])) - x.shape[axis])
    return jnp.pad(x, widths)


def blocks(rows: int) -> int:
    """Returns how many blocks it takes to hold so many rows."""
    return pl.cdiv(rows, ROWS)


def block_rows(block: Array, rows: int) -> tuple[Int[Array, " block"], Bool[Array, "block 1"]]:
    """Returns the numbers of a block's rows, and which of them are inside."""
    number = block * ROWS + lax.iota(jnp.int32, ROWS)
    return jnp.minimum(number, rows - 1), (number < rows)[:, None]


def product(a: Array, b: Array, *, contract: tuple[int, int] = (1, 0), precise: bool = False) -> Float[Array, "_ _"]:
    """Returns the product of two matrices, at least in float32.

    Args:
        a: a matrix.
        b: a matrix of the same type.
        contract: the axis of either that is summed over.
        precise: whether float32 must not be rounded before it is multiplied.
    """
    return lax.dot_general(
        a,
        b,
        (((contract[0],), (contract[1],)), ((), ())),
        precision=lax.Precision.HIGHEST if precise else lax.Precision.DEFAULT,
        preferred_element_type=jnp.promote_types(a.dtype, jnp.float32),
    )

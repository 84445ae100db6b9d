"""What all kernels share: how they are called, and how their programs read blocks of rows.

A program computes one frame, a block of rows at a time. Blocks are powers of two, which 478 is not: past the end of an
array its last row is read, computed and written once more, which changes nothing. Sums count the rows that are
`inside`. Widths are powers of two too, and 16 at least, since a product on a GPU is: callers `pad` them with zeros.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton
from jax.typing import DTypeLike
from jaxtyping import Array, Float

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

    return on_platform(call, (*arrays, *constants))


def on_platform(call: Callable, operands: Sequence[Array]) -> Any:
    """Returns call(*operands, interpret=...), interpreted on a CPU alone."""
    return lax.platform_dependent(
        *operands,
        cpu=functools.partial(call, interpret=True),
        default=functools.partial(call, interpret=False),
    )


def pad(x: Array, axes: Sequence[int] = (-1,)) -> Array:
    """Returns the array with zeros after its columns, or other axes, up to a width that a kernel takes."""
    widths = [(0, 0)] * x.ndim
    for axis in axes:
        widths[axis] = (0, max(16, pl.next_power_of_2(x.shape[axis])) - x.shape[axis])
    return jnp.pad(x, widths)


def for_blocks(body: Callable, rows: int, start: Any) -> Any:
    """Carries something through all blocks of rows.

    Args:
        body: body(numbers, inside, carry) returns the new carry; it takes the numbers of a block's rows [ROWS], and
            which of them are inside [ROWS, 1].
        rows: how many there are.
        start: the first carry.
    """

    def one(block: Array, carry: Any) -> Any:
        number = block * ROWS + lax.iota(jnp.int32, ROWS)
        return body(jnp.minimum(number, rows - 1), (number < rows)[:, None], carry)

    return lax.fori_loop(0, pl.cdiv(rows, ROWS), one, start)


def for_incoming(body: Callable, rows: Array, sources_ref: Any, first_ref: Any, start: Any) -> Any:
    """Carries something through the edges that lead to a block of points, one of each point at a time.

    Args:
        body: body(source, counted, carry) returns the new carry; it takes the point [size] that each edge comes from,
            and whether there was an edge left [size, 1].
        rows: the block's points.
        sources_ref: of `cloud.Incoming`.
        first_ref: likewise.
        start: the first carry.
    """
    first = first_ref[rows].astype(jnp.int32)
    degree = first_ref[rows + 1].astype(jnp.int32) - first

    def one(k: Array, carry: Any) -> Any:
        source = sources_ref[jnp.minimum(first + k, sources_ref.shape[0] - 1)].astype(jnp.int32)
        return body(source, (k < degree)[:, None], carry)

    return lax.fori_loop(0, jnp.max(degree), one, start)


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

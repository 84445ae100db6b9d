"""What kernels share that work on the rows [M, C] of a matrix, and drop values of it.

The rows are the positions of clips, in whatever order: an `Axis` says along which axis of them a transformer block
attends, so nothing has to be transposed. A program computes a tile of whole rows at a time.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int, UInt32

from dfuse_jax.models.kernels import program
from dfuse_jax.models.layers import DROP_LEVELS, Drop, at_least_float32

_TILE = 1024  # values: eight for a thread
_PROGRAMS = 64  # where they sum over rows, each of which then computes many tiles
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))  # of Threefry-2x32, in turn
_PARITY = 0x1BD11BDA


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Axis:
    """The axis of a clip's positions along which a transformer block attends.

    Attributes:
        length: of the axis.
        inner: positions that lie between two neighbours on the axis.
    """

    length: int
    inner: int = 1

    def position(self, row: Int[Array, "..."]) -> Int[Array, "..."]:
        """Returns where on the axis rows are."""
        return row // self.inner % self.length

    def first(self, sequence: Int[Array, "..."]) -> Int[Array, "..."]:
        """Returns the first rows of sequences along the axis."""
        return sequence // self.inner * (self.inner * self.length) + sequence % self.inner

    def order(self, row: Int[Array, "..."]) -> Int[Array, "..."]:
        """Returns the numbers that rows have where the axis is the last one, in whose order bits are drawn."""
        sequence = row // (self.length * self.inner) * self.inner + row % self.inner
        return sequence * self.length + self.position(row)


def pack(drop: Drop | None) -> UInt32[Array, "3"] | None:
    """Returns what a kernel needs of a drop as one array: its key and threshold."""
    return None if drop is None else jnp.stack([*drop.key, jnp.asarray(drop.threshold, jnp.uint32)])


@dataclasses.dataclass(frozen=True)
class Tile:
    """Rows of a matrix, filled up to a power of two of columns.

    Attributes:
        first: the number of the first row.
        rows: of the whole matrix.
        width: of the matrix.
    """

    first: Array
    rows: int
    width: int

    @property
    def row(self) -> Int[Array, " tile"]:
        """The numbers of the rows."""
        return self.first + lax.iota(jnp.int32, _tile_rows(self.width))

    @property
    def column(self) -> Int[Array, " padded"]:
        """The numbers of the columns."""
        return lax.iota(jnp.int32, pl.next_power_of_2(self.width))

    @property
    def inside(self) -> Array:
        """Which values are in the matrix."""
        return (self.row < self.rows)[:, None] & (self.column < self.width)[None, :]

    def load(self, ref: Any) -> Float[Array, "tile padded"]:
        """Returns the tile at least in float32, in which what is not in the matrix is 0."""
        at = ref.at[self.row[:, None], self.column[None, :]]
        return at_least_float32(triton.load(at, mask=self.inside, other=0))

    def store(self, ref: Any, value: Float[Array, "tile padded"]) -> None:
        """Writes the tile."""
        at = ref.at[self.row[:, None], self.column[None, :]]
        triton.store(at, value.astype(ref.dtype), mask=self.inside)

    def load_vector(self, ref: Any) -> Float[Array, "1 padded"]:
        """Returns a vector that all rows share."""
        vector = triton.load(ref.at[self.column], mask=self.column < self.width, other=0)
        return at_least_float32(vector)[None, :]

    def load_code(self, ref: Any, axis: Axis) -> Float[Array, "tile padded"]:
        """Returns the rows of a matrix [length, C] that belong to the rows' positions on an axis."""
        at = ref.at[axis.position(self.row)[:, None], self.column[None, :]]
        return at_least_float32(triton.load(at, mask=self.inside, other=0))

    def dropping(self, drop_ref: Any, axis: Axis, dtype: DTypeLike) -> Callable[[Array], Array]:
        """Returns the function that drops values of the tile as `layers.Drop` does.

        Args:
            drop_ref: reference to what `pack` gives; None: nothing is dropped.
            axis: in whose order the bits are drawn.
            dtype: in which the plain version divides.
        """
        if drop_ref is None:
            return lambda x: x
        column = lax.iota(jnp.int32, pl.next_power_of_2(self.width) // 4)
        block = axis.order(self.row)[:, None] * (self.width // 4) + column[None, :]
        return dropping(drop_ref, block, self.rows * (self.width // 4), dtype)


def dropping(
    drop_ref: Any, block: Int[Array, "rows blocks"], blocks: int, dtype: DTypeLike
) -> Callable[[Array], Array]:
    """Returns the function that drops values [rows, 4 blocks] as `layers.Drop` does.

    Args:
        drop_ref: reference to what `pack` gives.
        block: the number of every four values among all that are dropped together.
        blocks: how many there are.
        dtype: in which the plain version divides.
    """
    key, threshold = (drop_ref[0], drop_ref[1]), drop_ref[2]
    word = _interleave(*_threefry(key, block.astype(jnp.uint32), (block + blocks).astype(jnp.uint32)))
    bits = _interleave(word & jnp.uint32(DROP_LEVELS - 1), word >> jnp.uint32(16))
    kept = 1 - threshold.astype(jnp.promote_types(dtype, jnp.float32)) / DROP_LEVELS
    kept = at_least_float32(kept.astype(dtype))
    return lambda x: jnp.where(bits < threshold, jnp.zeros_like(x), x / kept)


def launch(
    kernel: Callable[..., Any],
    operands: Any,
    outputs: Any,
    *,
    shape: tuple[int, ...],
    sums: int = 0,
    name: str,
) -> tuple[Any, list[Float[Array, " width"]]]:
    """Runs a kernel over all tiles of a matrix.

    Args:
        kernel: takes a tile and the trees of references to operands and outputs; it returns as many values
            [tile, padded] as there are sums.
        operands: tree of arrays of any shape.
        outputs: tree of their shapes and types.
        shape: of the matrix, [M, C].
        sums: how many sums over all rows are taken of what the kernel returns.
        name: of the kernel in a profile.

    Returns:
        The outputs, and the sums, at least in float32.
    """
    rows, width = shape
    arrays, structure = jax.tree.flatten(operands)
    likes, output_structure = jax.tree.flatten(outputs)
    tiles = pl.cdiv(rows, _tile_rows(width))
    loops = max(1, tiles // _PROGRAMS) if sums else 1
    programs = pl.cdiv(tiles, loops)
    precision = jnp.promote_types(arrays[0].dtype, jnp.float32)
    totals = [jax.ShapeDtypeStruct((programs, sums, width), precision)] if sums else []
    whole = pl.BlockSpec(memory_space=pl.ANY)  # a program picks its tiles itself

    def run(*refs: Any) -> None:
        number = pl.program_id(0)
        own = jax.tree.unflatten(structure, refs[: len(arrays)])
        out = jax.tree.unflatten(output_structure, refs[len(arrays) : len(arrays) + len(likes)])

        def compute(step: Any, so_far: list[Array]) -> list[Array]:
            tile = Tile((number * loops + step) * _tile_rows(width), rows=rows, width=width)
            return [a + b for a, b in zip(so_far, kernel(tile, own, out) or [], strict=True)]

        zeros = jnp.zeros((_tile_rows(width), pl.next_power_of_2(width)), precision)
        so_far = lax.fori_loop(0, loops, compute, [zeros] * sums) if loops > 1 else compute(0, [zeros] * sums)
        column = lax.iota(jnp.int32, pl.next_power_of_2(width))
        for place, total in enumerate(so_far):
            triton.store(refs[-1].at[number, place, column], jnp.sum(total, axis=0), mask=column < width)

    def call(*operands: Array, interpret: bool) -> list[Array]:
        return pl.pallas_call(
            run,
            grid=(programs,),
            in_specs=[whole] * len(arrays),
            out_specs=[whole] * (len(likes) + len(totals)),
            out_shape=[*likes, *totals],
            compiler_params=triton.CompilerParams(num_warps=program.WARPS),
            interpret=interpret,
            name=name,
        )(*operands)

    results = program.on_platform(call, arrays)
    total = list(jnp.sum(results[-1], axis=0)) if sums else []
    return jax.tree.unflatten(output_structure, results[: len(likes)]), total


def _tile_rows(width: int) -> int:
    """Returns how many rows a tile has."""
    return max(1, _TILE // pl.next_power_of_2(width))


def _interleave(a: Array, b: Array) -> Array:
    """Returns a's and b's columns in turn."""
    return jnp.stack([a, b], axis=-1).reshape(a.shape[0], -1)


def _threefry(key: tuple[Array, Array], x0: Array, x1: Array) -> tuple[Array, Array]:
    """Returns the words of Threefry-2x32 for pairs of counts, as `jax.extend.random.threefry_2x32`."""
    keys = (*key, key[0] ^ key[1] ^ jnp.uint32(_PARITY))
    x0, x1 = x0 + keys[0], x1 + keys[1]
    for number in range(5):
        for rotation in _ROTATIONS[number % 2]:
            x0 = x0 + x1
            x1 = ((x1 << jnp.uint32(rotation)) | (x1 >> jnp.uint32(32 - rotation))) ^ x0
        x0 = x0 + keys[(number + 1) % 3]
        x1 = x1 + (keys[(number + 2) % 3] + jnp.uint32(number + 1))
    return x0, x1

"""What Pallas kernels read and write, from the program that calls them: compiled HLO does not say it."""

import math
from collections.abc import Iterator
from typing import Any

from jax.experimental import pallas as pl
from jax.extend import core

from dfuse_jax.bench.gpu.hlo import Array
from dfuse_jax.bench.gpu.traffic import Signature

_HLO_NAMES = {"float": "f", "bfloat": "bf", "int": "s", "uint": "u"}


def blocks(program: core.ClosedJaxpr) -> dict[Signature, int]:
    """Returns the bytes that each Pallas call of a program moves, by the arrays that it takes and gives.

    These are its blocks times its grid: every instance of the kernel reads and writes its own blocks. What instances
    share, such as weights, counts once for each. An array without blocks (`pl.ANY`), of which every instance picks a
    part itself, counts once.

    Args:
        program: from `jax.make_jaxpr`.
    """
    calls = {}
    for equation in _equations(program.jaxpr):
        if equation.primitive.name == "pallas_call":
            mapping = equation.params["grid_mapping"]
            operands, results = (
                tuple(_array(value.aval) for value in values) for values in (equation.invars, equation.outvars)
            )
            calls[operands, results] = sum(_moved(block, mapping.grid) for block in mapping.block_mappings)
    return calls


def _equations(jaxpr: core.Jaxpr) -> Iterator[core.JaxprEqn]:
    """Yields the operations of a program and of all programs within it, but not those within a kernel."""
    for equation in jaxpr.eqns:
        yield equation
        if equation.primitive.name == "pallas_call":
            continue
        for parameter in equation.params.values():
            for part in parameter if isinstance(parameter, tuple | list) else [parameter]:
                part = part.jaxpr if isinstance(part, core.ClosedJaxpr) else part
                if isinstance(part, core.Jaxpr):
                    yield from _equations(part)


def _moved(block: Any, grid: tuple[int, ...]) -> int:
    """Returns the bytes of one operand or result that all instances move."""
    array = block.array_aval
    whole = block.block_aval.memory_space is pl.ANY
    number = math.prod(array.shape) if whole else math.prod(grid) * math.prod(_sizes(block.block_shape))
    return number * array.dtype.itemsize


def _sizes(block_shape: tuple) -> Iterator[int]:
    """Yields the lengths of a block's axes; an axis that the kernel does not see is 1 long."""
    for axis in block_shape:
        yield axis if isinstance(axis, int) else getattr(axis, "block_size", 1)


def _array(aval) -> Array:
    name = aval.dtype.name
    if name == "bool":
        return Array("pred", aval.shape)
    kind = name.rstrip("0123456789")
    return Array(_HLO_NAMES[kind] + name.removeprefix(kind), aval.shape)

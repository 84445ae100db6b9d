"""Optimised HLO, the program that XLA runs on a device, read from its text.

XLA's own documentation of the text: https://openxla.org/xla/hlo_dumps. Only what is counted in `traffic` is kept.
"""

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

_COMPUTATION = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\) -> .*\{$")
_INSTRUCTION = re.compile(r"^\s+(ROOT )?%?([\w.\-]+) = (.*?) ([a-z][\w\-]*)\((.*)$")
_ARRAY = re.compile(r"\b(pred|[a-z]+\d+\w*)\[([\d,]*)\]")
_NAME = re.compile(r"%([\w.\-]+)")


class Array(NamedTuple):
    """An array's type and shape, such as bf16[16, 478]."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """Its size; 4 bits are half a byte."""
        bits = 8 if self.dtype == "pred" else int(re.sub(r"^[a-z]+(\d+).*", r"\1", self.dtype))
        return math.ceil(math.prod(self.shape) * bits / 8)


class Instruction(NamedTuple):
    """An instruction.

    Attributes:
        name: unique in its computation.
        opcode: such as "fusion" or "dot".
        arrays: its result; several where it is a tuple.
        operands: names of the instructions whose results it takes.
        arguments: what stands in its parentheses, as text: the number of a parameter, for example.
        attributes: what stands behind them, as text.
        root: whether its result is the computation's.
    """

    name: str
    opcode: str
    arrays: tuple[Array, ...]
    operands: tuple[str, ...]
    arguments: str
    attributes: str
    root: bool

    @property
    def bytes(self) -> int:
        """The size of its result."""
        return sum(array.bytes for array in self.arrays)

    @property
    def op_name(self) -> str:
        """Where JAX's program has it: a path of functions, modules and an operation; "" where XLA made it."""
        return self.attribute(r'op_name="([^"]*)"') or ""

    @property
    def trip_count(self) -> int | None:
        """How often a loop runs; None where XLA does not know."""
        count = self.attribute(r'"known_trip_count":\{"n":"(\d+)"\}')
        return None if count is None else int(count)

    def attribute(self, pattern: str) -> str | None:
        """Returns the first group of a regular expression, searched in the attributes."""
        match = re.search(pattern, self.attributes)
        return match and match[1]

    def calls(self, keyword: str) -> list[str]:
        """Returns the computations that an attribute names: keyword=%name, or keyword={%name, %name}."""
        names = self.attribute(rf"\b{keyword}=(\{{[^}}]*\}}|%?[\w.\-]+)")
        return re.findall(r"[\w.\-]+", names or "")


Computation = dict[str, Instruction]
"""The instructions of a computation by name, in the order in which they run."""


class Module(NamedTuple):
    """A program.

    Attributes:
        computations: by name.
        entry: the name of the one that runs first.
    """

    computations: dict[str, Computation]
    entry: str


def parse(text: str) -> Module:
    """Reads what `jax.stages.Compiled.as_text` returns.

    Raises:
        ValueError: the text has no entry computation.
    """
    computations: dict[str, Computation] = {}
    entry = ""
    for name, is_entry, lines in _blocks(text):
        instructions = (instruction for line in lines if (instruction := _instruction(line)))
        computations[name] = {instruction.name: instruction for instruction in instructions}
        entry = name if is_entry else entry
    if not entry:
        raise ValueError("the text is not an HLO module: it has no entry computation.")
    return Module(computations, entry)


def _blocks(text: str) -> Iterator[tuple[str, bool, list[str]]]:
    """Yields every computation's name, whether it is the entry, and its lines."""
    head, lines = None, []
    for line in text.splitlines():
        if head is None:
            head = _COMPUTATION.match(line)
        elif line.startswith("}"):
            yield head[2], head[1] is not None, lines
            head, lines = None, []
        else:
            lines.append(line)


def _instruction(line: str) -> Instruction | None:
    match = _INSTRUCTION.match(line)
    if match is None:
        return None
    root, name, result, opcode, rest = match.groups()
    arguments, _, attributes = rest.partition(")")
    return Instruction(
        name=name,
        opcode=opcode,
        arrays=tuple(Array(dtype, _shape(sizes)) for dtype, sizes in _ARRAY.findall(result)),
        operands=tuple(_NAME.findall(arguments)),
        arguments=arguments,
        attributes=attributes,
        root=root is not None,
    )


def _shape(sizes: str) -> tuple[int, ...]:
    return tuple(int(size) for size in sizes.split(",") if size)

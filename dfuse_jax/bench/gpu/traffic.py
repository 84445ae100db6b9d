"""Memory traffic and launches of a compiled program, kernel by kernel and by part of the network.

A kernel is an instruction that the device is given to run: a fusion, a library call, a copy. It reads its operands from
memory and writes its results to it, each once, and what happens within it stays on the chip. Where it only slices,
gathers or updates a part of an array, that part counts. A loop's kernels count as often as the loop runs.

That is an upper bound on what goes through memory, since a kernel can find an operand in the cache. It is none for a
kernel that reads an array more than once, as a matrix product can.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from dfuse_jax.bench.gpu.hlo import Array, Computation, Instruction, Module

# Nothing runs on the device for these.
_FREE = {"parameter", "tuple", "get-tuple-element", "bitcast", "constant", "after-all", "partition-id", "replica-id"}
_PARTIAL_READS = {"slice", "dynamic-slice", "gather"}
_LIBRARIES = ("cublas", "cudnn")
_COLLECTIVES = ("all-", "reduce-scatter", "collective-", "ragged-all-to-all", "send", "recv")
# Names in an op_name's path -> the part of the network, as `floor` calls it. The first that matches counts.
_PARTS = (
    (r"\boptimizer\b", "AdamW"),
    (r"/grouping\b", "walk"),
    (r"/aggregation\b", "aggregation"),
    (r"/lpfa\b", "LPFA"),
    (r"/cic_\d", "maps of points"),
    (r"/entry\b|/edge_moments\b", "entry"),
    (r"/point_encoder\b", "exit"),
    (r"encode/(tokens|\w+\._mix|\w+,\w+->)", "tokens"),
    (r"/transformer\b", "transformer"),
)
REST = "rest"

Signature = tuple[tuple[Array, ...], tuple[Array, ...]]
"""Operands and results of a kernel of one's own."""


class Kernel(NamedTuple):
    """A kernel of a program.

    Attributes:
        instruction: what it runs.
        launches: how often, in a run of the program.
        bytes: read and written, in all launches together.
        part: of the network, as `floor` calls it, or "rest".
    """

    instruction: Instruction
    launches: int
    bytes: int
    part: str


class Traffic(NamedTuple):
    """What a program asks of memory.

    Attributes:
        kernels: all of them.
        unknown_loops: how many loops have an unknown number of trips; each is counted as one trip.
    """

    kernels: list[Kernel]
    unknown_loops: int

    @property
    def bytes(self) -> int:
        """Of all kernels."""
        return sum(kernel.bytes for kernel in self.kernels)

    @property
    def launches(self) -> int:
        """Of all kernels."""
        return sum(kernel.launches for kernel in self.kernels)

    @property
    def collectives(self) -> list[str]:
        """The opcodes of the kernels in which devices talk to each other."""
        opcodes = {kernel.instruction.opcode for kernel in self.kernels}
        return sorted(opcode for opcode in opcodes if opcode.startswith(_COLLECTIVES))

    def by_part(self) -> dict[str, tuple[int, int]]:
        """Returns (bytes, launches) of every part of the network, the largest first."""
        sums: dict[str, tuple[int, int]] = {}
        for kernel in self.kernels:
            moved, launches = sums.get(kernel.part, (0, 0))
            sums[kernel.part] = moved + kernel.bytes, launches + kernel.launches
        return dict(sorted(sums.items(), key=lambda item: -item[1][0]))


def count(module: Module, blocks: Mapping[Signature, int] | None = None) -> Traffic:
    """Counts the kernels of a program.

    Args:
        module: the program.
        blocks: bytes of a Pallas call, by its operands and results, as `pallas.blocks` gives them. A call that is not
            among them counts as all its operands and results.
    """
    counter = _Counter(module, blocks or {})
    kernels = list(counter.run(module.entry, 1))
    return Traffic(kernels, counter.unknown_loops)


class _Counter:
    def __init__(self, module: Module, blocks: Mapping[Signature, int]):
        self._module = module
        self._blocks = blocks
        self.unknown_loops = 0

    def run(self, name: str, times: int) -> Iterator[Kernel]:
        """Yields the kernels of a computation that runs so often."""
        computation = self._module.computations[name]
        for instruction in computation.values():
            opcode = instruction.opcode
            if opcode in _FREE or opcode.endswith(("-done", "-update")):
                continue
            if opcode == "while":
                trips = instruction.trip_count
                self.unknown_loops += trips is None
                (body,) = instruction.calls("body")
                yield from self.run(body, times * (1 if trips is None else trips))
            elif opcode == "conditional":
                yield from self._dearest(_branches(instruction), times)
            elif opcode == "call":
                (called,) = instruction.calls("to_apply")
                yield from self.run(called, times)
            else:
                moved = self._bytes(instruction, computation)
                yield Kernel(instruction, times, times * moved, part_of(instruction.op_name))

    def _dearest(self, branches: list[str], times: int) -> list[Kernel]:
        """Returns the kernels of the branch that moves the most."""
        return max((list(self.run(branch, times)) for branch in branches), key=_total)

    def _bytes(self, instruction: Instruction, computation: Computation) -> int:
        """Returns what a kernel reads and writes in one launch."""
        if instruction.opcode == "custom-call":
            return self._call_bytes(instruction, computation)
        if instruction.opcode == "fusion":
            (called,) = instruction.calls("calls")
            body = self._module.computations[called]
            reads = _partial_reads(body)
            written = sum(_written(result, body) for result in _results(body))
        else:
            reads = _own_reads(instruction, computation)
            written = _written(instruction, computation)
        read = (reads.get(i, computation[name].bytes) for i, name in enumerate(instruction.operands))
        return written + sum(read)

    def _call_bytes(self, instruction: Instruction, computation: Computation) -> int:
        """Returns what a library's kernel or a Pallas call reads and writes; a library's workspace is no result."""
        target = instruction.attribute(r'custom_call_target="([^"]*)"') or ""
        results = instruction.arrays
        if any(library in target for library in _LIBRARIES):
            results = tuple(array for array in results if array.dtype != "s8")
        operands = tuple(array for name in instruction.operands for array in computation[name].arrays)
        everything = sum(array.bytes for array in (*operands, *results))
        return self._blocks.get((operands, results), everything)


def part_of(op_name: str) -> str:
    """Returns the part of the network to which a path of JAX's program belongs."""
    return next((part for pattern, part in _PARTS if re.search(pattern, op_name)), REST)


def _total(kernels: Iterable[Kernel]) -> int:
    return sum(kernel.bytes for kernel in kernels)


def _branches(instruction: Instruction) -> list[str]:
    keywords = ("true_computation", "false_computation", "branch_computations")
    return [name for keyword in keywords for name in instruction.calls(keyword)]


def _results(body: Computation) -> list[Instruction]:
    """Returns the instructions whose results a fusion writes."""
    (root,) = (instruction for instruction in body.values() if instruction.root)
    return [body[name] for name in root.operands] if root.opcode == "tuple" else [root]


def _written(instruction: Instruction, computation: Computation) -> int:
    """Returns the bytes that an instruction writes: all of its result, or the update where it is made in place."""
    if instruction.opcode == "dynamic-update-slice":
        return computation[instruction.operands[1]].bytes
    return instruction.bytes


def _own_reads(instruction: Instruction, computation: Computation) -> dict[int, int]:
    """Returns, by operand, the bytes read where an instruction that stands alone does not read all of it."""
    if instruction.opcode in _PARTIAL_READS:
        return {0: instruction.bytes}
    if instruction.opcode == "dynamic-update-slice":
        return {0: 0}
    return {}


def _partial_reads(body: Computation) -> dict[int, int]:
    """Returns, by parameter, the bytes that a fusion reads, where it does nothing to it but take parts of it."""
    users: dict[str, list[tuple[Instruction, int]]] = defaultdict(list)
    for instruction in body.values():
        for position, operand in enumerate(instruction.operands):
            users[operand].append((instruction, position))
    reads = {}
    for instruction in body.values():
        if instruction.opcode == "parameter":
            parts = [_own_reads(user, body).get(position) for user, position in users[instruction.name]]
            if None not in parts:
                reads[int(instruction.arguments)] = sum(part for part in parts if part is not None)
    return reads

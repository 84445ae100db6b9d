"""How many replicas fit into a device's memory, estimated without compiling anything."""

import contextlib
import functools
import os
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend import core

from dfuse_jax.runtime.errors import UserError
from dfuse_jax.train import epoch as _epoch
from dfuse_jax.train.arrays import Assignment, Inputs
from dfuse_jax.train.network import Network
from dfuse_jax.train.tuning import Settings

# Of what a device may hold: XLA reserves a GPU's memory for itself, but a machine's RAM serves others too.
SHARE, SHARE_OF_RAM = 0.8, 0.5


def replicas_that_fit(
    network: Network,
    settings: Settings,
    assignment: Assignment,
    inputs: Inputs,
    devices: Sequence[jax.Device],
    *,
    processes_of_host: int = 1,
) -> int:
    """Returns how many of the replicas [R, ...] the devices take at once, at least one each, by `memory_of_replica`.

    Args:
        network: to be trained.
        settings: of the training.
        assignment: of the replicas.
        inputs: that every device holds.
        devices: of this process.
        processes_of_host: how many processes share this machine's memory, each with as many devices.
    """
    sharing = len(devices) * processes_of_host
    room = min(_limit(device, sharing) for device in devices) - _bytes(inputs)
    state, steps = memory_of_replica(network, settings, assignment, inputs)
    if devices[0].platform == "cpu":  # there the replicas take their steps one after another: `epoch.over_replicas`
        return len(devices) * max(1, int((room - steps) // (2 * state)))  # the states before and after the epoch
    return len(devices) * max(1, int(room // (state + steps)))


def memory_of_replica(network: Network, settings: Settings, assignment: Assignment, inputs: Inputs) -> tuple[int, int]:
    """Returns the bytes that one replica takes in an epoch: its state, and the intermediate values alive at once.

    Nothing is compiled. XLA's own figure for the sum (`memory_analysis` of the compiled epoch, CPU) was the same for
    the tests' smallest model and up to 18% less for larger ones, since it fuses.
    """
    replica = jax.tree.map(lambda x: x[0], assignment)
    state = jax.eval_shape(functools.partial(_epoch.initialise, network, settings), replica, inputs)
    run = functools.partial(_epoch.run_epoch, network, settings)
    program = jax.make_jaxpr(run)(state, replica, inputs, np.int32(0), np.bool_(False))
    return _bytes(state), _peak(program.jaxpr)


@contextlib.contextmanager
def explained(replicas: int) -> Iterator[None]:
    """Turns a device's lack of memory into a UserError that says how many replicas were tried at once."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise UserError(
            f"{replicas} replicas at once do not fit into the devices' memory: train fewer in a pass, into another "
            "folder.",
            remedy="replicas_per_pass",
        ) from error


def _limit(device: jax.Device, sharing: int) -> float:
    stats = device.memory_stats() or {}
    if "bytes_limit" in stats:
        return SHARE * stats["bytes_limit"]
    return SHARE_OF_RAM * ram() / sharing


def ram() -> int:
    """Returns the bytes of this machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _bytes(tree: Any) -> int:
    return sum(a.size * a.dtype.itemsize for a in jax.tree.leaves(tree))


def _peak(jaxpr: core.Jaxpr) -> int:
    """Returns the most bytes that a program's results, none of its inputs, take at once if it runs in its order."""
    last = {}  # the operation after which a result is not needed any more
    for number, operation in enumerate(jaxpr.eqns):
        last.update((value, number) for value in operation.invars if isinstance(value, core.Var))
    last.update((value, len(jaxpr.eqns)) for value in jaxpr.outvars if isinstance(value, core.Var))
    held, most = {}, 0
    for number, operation in enumerate(jaxpr.eqns):
        results = {value: _bytes(value.aval) for value in operation.outvars}
        within = max(map(_peak, _parts(operation)), default=0)
        most = max(most, sum(held.values()) + max(sum(results.values()), within))
        held.update((value, size) for value, size in results.items() if last.get(value, -1) > number)
        for value in operation.invars:
            if isinstance(value, core.Var) and last[value] == number:
                held.pop(value, None)
    return most


def _parts(operation) -> Iterator[core.Jaxpr]:
    """Yields the programs within an operation: a loop's body, the branches of a condition, a function called."""
    for parameter in operation.params.values():
        for part in parameter if isinstance(parameter, tuple | list) else [parameter]:
            if isinstance(part, core.ClosedJaxpr):
                yield part.jaxpr
            elif isinstance(part, core.Jaxpr):
                yield part

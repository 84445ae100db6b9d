"""How many replicas fit into a device's memory, found without compiling anything."""

import functools
import os
from collections.abc import Iterator, Sequence

import jax
import numpy as np
from jax.extend import core

from dfuse_jax.runtime import messages
from dfuse_jax.train import epoch as _epoch
from dfuse_jax.train.arrays import Assignment, Videos
from dfuse_jax.train.epoch import Settings

# Of what a device may hold: XLA reserves a GPU's memory for itself, but a machine's RAM serves others too.
SHARE, SHARE_OF_RAM = 0.8, 0.5


def fitting(model, settings: Settings, assignment: Assignment, videos: Videos, devices: Sequence[jax.Device]) -> int:
    """How many of the replicas [R, ...] `devices` take at once, by an estimate (`of_replica`); at least one each.

    Of several processes all must ask.
    """
    sharing = len(devices) * messages.of_host()
    room = min(_limit(device, sharing) for device in devices) - _bytes(videos)
    state, steps = of_replica(model, settings, assignment, videos)
    if devices[0].platform == "cpu":  # one replica's step after another's: see `beside`
        return len(devices) * max(1, int((room - steps) // (2 * state)))  # before and after the epoch
    return len(devices) * max(1, int(room // (state + steps)))


def of_replica(model, settings: Settings, assignment: Assignment, videos: Videos) -> tuple[int, int]:
    """Bytes that one replica takes in an epoch: its state, and the intermediate values alive at once.

    Found without compiling. XLA's own figure for their sum (`memory_analysis` of the compiled epoch, CPU) was the same
    for the tests' smallest model and up to 18% less for larger ones: it fuses.
    """
    one = jax.tree.map(lambda a: a[0], assignment)
    state = jax.eval_shape(functools.partial(_epoch.init, model, settings), one, videos)
    epoch = jax.make_jaxpr(functools.partial(_epoch.run, model, settings))(state, one, videos, np.int32(0))
    return _bytes(state), _peak(epoch.jaxpr)


def _limit(device: jax.Device, sharing: int) -> float:
    stats = device.memory_stats() or {}
    if "bytes_limit" in stats:
        return SHARE * stats["bytes_limit"]
    return SHARE_OF_RAM * ram() / sharing


def ram() -> int:
    """Bytes of this machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _bytes(tree) -> int:
    return sum(a.size * a.dtype.itemsize for a in jax.tree.leaves(tree))


def _peak(jaxpr: core.Jaxpr) -> int:
    """The most bytes that a program's results, none of its inputs, take at once if it runs in its order."""
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
    """The programs within one: a loop's body, the branches of a condition, a function called."""
    for parameter in operation.params.values():
        for part in parameter if isinstance(parameter, tuple | list) else [parameter]:
            if isinstance(part, core.ClosedJaxpr):
                yield part.jaxpr
            elif isinstance(part, core.Jaxpr):
                yield part

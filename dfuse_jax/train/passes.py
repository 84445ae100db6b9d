"""Passes: which replicas train at once, how they lie on the devices of all processes, and where they stand."""

from typing import NamedTuple

import jax
import numpy as np

from dfuse_jax import distributed
from dfuse_jax.train.epoch import State


def pass_size(replicas: int, at_most: int, devices: int) -> int:
    """How many replicas train at once: equally many in each pass and on each device, in as few passes as possible.

    Args:
        replicas: how many there are.
        at_most: how many fit, 0 for all; rounded up to a multiple of `devices`.
        devices: of all processes together.
    """
    fitting = -(-(at_most or replicas) // devices) * devices
    number = -(-replicas // fitting)
    return -(-replicas // (number * devices)) * devices


def passes(replicas: int, size: int) -> list[range]:
    """Which replicas train together, pass after pass."""
    return [range(first, min(first + size, replicas)) for first in range(0, replicas, size)]


class History(NamedTuple):
    """What every epoch said, on the host.

    Attributes:
        losses: [epochs, R], mean training loss.
        probabilities: [epochs, R, E] of the evaluated videos after the epoch: those that choose the epoch, those that
            test, then NaN.
    """

    losses: np.ndarray
    probabilities: np.ndarray

    def of(self, members: range) -> "History":
        """Some replicas' columns: views, which may be written to."""
        return History(*(a[:, members.start : members.stop] for a in self))


class Progress(NamedTuple):
    """Where training stands: [R, ...] state and history, all on the host, without the padding of devices."""

    state: State
    history: History


def rows(tree, members: range):
    """[R, ...] -> [n, ...], those of a pass; also of shapes and types."""

    def leaf(a):
        if isinstance(a, jax.ShapeDtypeStruct):
            return jax.ShapeDtypeStruct((len(members), *a.shape[1:]), a.dtype)
        return a[members.start : members.stop]

    return jax.tree.map(leaf, tree)


def put(whole, members: range, part) -> None:
    """The inverse of `rows`: writes [n, ...] to its place in [R, ...], on the host."""
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(part), strict=True):
        a[members.start : members.stop] = b


class Layout(NamedTuple):
    """The slots of a pass of `size` replicas: `devices` in each process, equally many on each device.

    Where replicas leave slots free, the last one is repeated.
    """

    devices: int
    size: int

    def slots(self, tree):
        """Replicas [n, ...] on the host -> this process' slots, [devices, each, ...]."""
        first = distributed.rank() * self.devices
        return jax.tree.map(lambda a: a[first : first + self.devices], self._all(tree))

    def place(self, state: State | None, like: State) -> State:
        """The same for a state that only process 0 has; `like` holds its shapes and types."""
        if distributed.size() == 1:
            return self._all(state)
        own = jax.tree.map(lambda a: jax.ShapeDtypeStruct((self.devices, self._each(), *a.shape[1:]), a.dtype), like)
        return distributed.from_first(self._all(state) if distributed.first() else None, own)

    def gather(self, state: State, replicas: int) -> State | None:
        """The slots of all processes -> [n, ...] on the host of process 0; None in the others."""
        return jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:])[:replicas], distributed.to_first(state))

    def _each(self) -> int:
        return -(-self.size // (self.devices * distributed.size()))

    def _all(self, tree):
        slots = np.arange(self.devices * distributed.size() * self._each()).reshape(-1, self._each())
        return jax.tree.map(lambda a: a[np.minimum(slots, len(a) - 1)], tree)

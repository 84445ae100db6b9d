"""Passes: which replicas train at once, how they lie on the devices of all processes, where they stand."""

from typing import NamedTuple

import jax
import numpy as np

from dfuse_jax.runtime import messages
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


def rows(tree, members: range | np.ndarray):
    """[R, ...] -> [n, ...], those of some replicas; also of shapes and types."""
    index = slice(members.start, members.stop) if isinstance(members, range) else members

    def leaf(a):
        if isinstance(a, jax.ShapeDtypeStruct):
            return jax.ShapeDtypeStruct((len(members), *a.shape[1:]), a.dtype)
        return a[index]

    return jax.tree.map(leaf, tree)


def join(parts: list, none):
    """Trees [n, ...], end to end along their first axis, on the host; `none` if there are no parts."""
    if len(parts) < 2:
        return jax.tree.map(np.asarray, parts[0] if parts else none)
    return jax.tree.map(lambda *leaves: np.concatenate([np.asarray(leaf) for leaf in leaves]), *parts)


def _length(tree) -> int:
    return jax.tree.leaves(tree)[0].shape[0]


def put(whole, members: range, part) -> None:
    """The inverse of `rows`: writes [n, ...] to its place in [R, ...], on the host of process 0."""
    if not messages.first():
        return
    for a, b in zip(jax.tree.leaves(whole), jax.tree.leaves(part), strict=True):
        a[members.start : members.stop] = b


class Layout(NamedTuple):
    """The slots of a pass: of `size` replicas each device of each process has equally many.

    Where the replicas of a pass fill a device only partly, the last one is repeated; a device without any rests.
    """

    devices: tuple[jax.Device, ...]  # of this process
    size: int

    def slots(self, tree) -> list:
        """Replicas [n, ...] on the host -> [each, ...] on each device of this process."""
        return self._load(rows(tree, self._slots(tree, messages.rank())))

    def place(self, state: State | None, like: State) -> list[State]:
        """The same for a state that only process 0 has; `like` holds its shapes and types."""
        processes = range(messages.size())
        shares = [rows(state, self._slots(state, process)) for process in processes] if messages.first() else None
        return self._load(messages.from_first(shares, rows(like, self._slots(like, messages.rank()))))

    def gather(self, states: list[State], like: State) -> State | None:
        """The inverse, to the host of process 0; None in the others."""
        none = jax.tree.map(lambda a: np.zeros((0, *a.shape[1:]), a.dtype), like)
        whole = messages.to_first(join(states, none))
        return None if whole is None else rows(whole, range(_length(like)))

    def _each(self) -> int:
        return -(-self.size // (len(self.devices) * messages.size()))

    def _slots(self, tree, process: int) -> np.ndarray:
        """Which of the replicas in `tree` the slots of a process hold."""
        count, each = _length(tree), self._each()
        first = process * len(self.devices)
        used = range(first, min(first + len(self.devices), -(-count // each)))
        return np.minimum(np.arange(used.start * each, max(used.stop, first) * each), count - 1)

    def _load(self, tree) -> list:
        """[devices * each, ...] -> [each, ...] on each device."""
        each = self._each()
        used = range(_length(tree) // each)
        return [jax.device_put(rows(tree, range(d * each, (d + 1) * each)), self.devices[d]) for d in used]

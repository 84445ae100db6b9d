"""Passes: which replicas train at once, and what every epoch gave."""

from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from dfuse_jax.train.arrays import Replica


def pass_size(replicas: int, at_most: int, devices: int) -> int:
    """Returns how many replicas train at once: equally many in each pass and on each device, in as few passes as fit.

    Args:
        replicas: how many there are.
        at_most: how many fit, 0 for all; rounded up to a multiple of `devices`.
        devices: of all processes together.
    """
    fitting = -(-(at_most or replicas) // devices) * devices
    number = -(-replicas // fitting)
    return -(-replicas // (number * devices)) * devices


def passes(replicas: int, size: int) -> list[range]:
    """Returns which replicas train together, pass after pass."""
    return [range(first, min(first + size, replicas)) for first in range(0, replicas, size)]


class History(NamedTuple):
    """What every epoch gave, on the host.

    Attributes:
        losses: [epochs, R], mean training loss.
        probabilities: [epochs, R, E] of the evaluated videos after the epoch: those that choose the epoch, those that
            test, then NaN.
    """

    losses: Float[np.ndarray, "epochs replicas"]
    probabilities: Float[np.ndarray, "epochs replicas evaluate"]

    @staticmethod
    def empty(epochs: int, replicas: int, evaluated: int) -> "History":
        """Returns a history of NaN."""
        losses = np.full((epochs, replicas), np.nan, np.float32)
        return History(losses, np.full((epochs, replicas, evaluated), np.nan, np.float32))

    def of(self, members: range) -> "History":
        """Returns some replicas' columns, as views that may be written to."""
        columns = slice(members.start, members.stop)
        return History(self.losses[:, columns], self.probabilities[:, columns])

    def record(self, epoch: int, replicas: list[Replica], losses: np.ndarray, probabilities: np.ndarray) -> None:
        """Enters what an epoch gave: losses [slots] and probabilities [slots, E], of which the first belong to R."""
        self.losses[epoch] = losses[: len(replicas)]
        for number, replica in enumerate(replicas):
            evaluated = len(replica.val) + len(replica.test)  # then padding
            self.probabilities[epoch, number, :evaluated] = probabilities[number, :evaluated]


class Progress(NamedTuple):
    """How far a training is.

    Attributes:
        done: epochs, of all passes together.
        epochs: of each pass.
        groups: the replicas of each pass.
        history: of all replicas.
    """

    done: int
    epochs: int
    groups: list[range]
    history: History

    @property
    def total(self) -> int:
        """The epochs of all passes together."""
        return self.epochs * len(self.groups)


def rows(tree: Any, members: range) -> Any:
    """Returns the rows of some replicas: [R, ...] -> [n, ...]."""
    return jax.tree.map(lambda x: x[members.start : members.stop], tree)

"""What a run of the cross-validation leaves behind, and what each protocol reads from it."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from dfuse_jax.evaluate import metrics
from dfuse_jax.train import Replica

PROTOCOLS = ("validated", "final", "peeked", "length_only")


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A finished run: V videos, R replicas, at most E evaluated videos a replica."""

    name: str  # of the recipe
    note: str  # one line on what this run is
    names: Sequence[str]  # [V]
    subjects: Sequence[str]  # [V]
    subjects_known: bool  # False: every video counts as a subject of its own
    labels: np.ndarray  # [V], 1 = spontaneous
    frames: np.ndarray  # [V], number of frames
    replicas: Sequence[Replica]  # R, with and without a validation share
    losses: np.ndarray  # [epochs, R], mean training loss
    probabilities: np.ndarray  # [epochs, R, E] of spontaneous: r's val videos, then its test videos, then nan
    seconds: float  # of the whole run, in the process that ended it
    epoch_seconds: float | None  # of an epoch after the first, median; None where there was none
    fold_steps: int  # training steps of an epoch, summed over the replicas
    clips: int  # that an epoch trains on and evaluates, likewise
    config: Mapping  # nested, JSON-able

    def of_val(self, r: int) -> np.ndarray:
        """[epochs, len(val)] probabilities of replica r's validation share."""
        return np.asarray(self.probabilities)[:, r, : len(self.replicas[r].val)]

    def of_test(self, r: int) -> np.ndarray:
        """[epochs, len(test)] probabilities of replica r's test videos."""
        first = len(self.replicas[r].val)
        return np.asarray(self.probabilities)[:, r, first : first + len(self.replicas[r].test)]


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What one protocol says of one test fold."""

    replica: Replica
    epoch: int | None  # from 0; None where there are no epochs
    probabilities: np.ndarray  # [len(replica.test)] of spontaneous


def verdicts(outcome: Outcome) -> dict[str, list[Verdict]]:
    """Every protocol's predictions, in the order of PROTOCOLS, by run and fold."""
    found = {protocol: [] for protocol in PROTOCOLS}
    labels = np.asarray(outcome.labels)
    order = sorted(range(len(outcome.replicas)), key=lambda r: (outcome.replicas[r].run, outcome.replicas[r].fold))
    for r in order:
        replica, test = outcome.replicas[r], outcome.of_test(r)
        if replica.validated:
            chosen = {"validated": metrics.choose_epoch(labels[replica.val], outcome.of_val(r))}
        else:
            chosen = {"final": len(test) - 1, "peeked": metrics.peeked_epoch(labels[replica.test], test)}
        for protocol, epoch in chosen.items():
            found[protocol].append(Verdict(replica, epoch, test[epoch]))
    for replica in whole_folds(outcome.replicas):
        alone = metrics.length_only(outcome.frames, labels, replica.train, replica.test)
        found["length_only"].append(Verdict(replica, None, alone))
    return found


def whole_folds(replicas: Sequence[Replica]) -> list[Replica]:
    """One replica for each run and fold, its validation share given back to the training videos."""
    folds = {}
    for replica in replicas:
        train = np.union1d(replica.train, replica.val).astype(int)
        folds[replica.run, replica.fold] = dataclasses.replace(replica, train=train, val=np.array([], int))
    return [folds[key] for key in sorted(folds)]

"""The outcome of a cross-validation, and the predictions that each protocol takes from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from dfuse_jax.evaluate import metrics

if TYPE_CHECKING:  # evaluation itself does without JAX, which train/ imports
    from dfuse_jax.train import Replica

MODEL_PROTOCOLS = ("validated", "final", "peeked")
PROTOCOLS = (*MODEL_PROTOCOLS, "length_only")


@dataclasses.dataclass(frozen=True)
class Environment:
    """The devices that a run was computed on, and the precision of its arithmetic.

    Attributes:
        platform: "cpu", "gpu" or "tpu".
        device_kind: the model of the devices as JAX names it, such as "NVIDIA H100 80GB HBM3".
        devices: how many there are, in all processes together.
        processes: how many there are.
        model_dtype: the type in which the model computes, such as "float32"; None if the system does not choose one.
        jax_enable_x64: whether JAX computes in 64 bits by default.
    """

    platform: str
    device_kind: str
    devices: int
    processes: int
    model_dtype: str | None
    jax_enable_x64: bool


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A finished cross-validation of R replicas on V videos, with at most E evaluated videos a replica.

    A system that does not train in epochs has one, whose losses are nan.

    Attributes:
        name: of the recipe.
        note: one line that says what this run is.
        names: of the videos.
        subjects: of the videos.
        subjects_known: False means that every video counts as a subject of its own.
        labels: 0 (posed) and 1 (spontaneous).
        frames: number of frames of each video.
        fps: frames per second of each video.
        image_sizes: (width, height) of each video in pixels.
        replicas: with and without a validation share. Their runs and folds count from 0.
        losses: mean training losses.
        probabilities: of spontaneous after every epoch: a replica's validation videos, then its test videos, then nan.
        seconds: duration of the whole run, in the process that ended it.
        epoch_seconds: median duration of the epochs after the first; None if there were none.
        fold_steps: training steps of an epoch, summed over the replicas.
        clips: number of clips on which an epoch trains and predicts, summed over the replicas.
        environment: in which the durations were measured.
        config: nested and JSON-able.
        chooses_threshold: whether validation videos choose the threshold of `validated`, beside its epoch.
        relabelled: the same after training on permuted labels, of one run with validation shares each.
        groups: {property: the group of each video by it}, such as {"sex": ["female", ...]}.
    """

    name: str
    note: str
    names: Sequence[str]
    subjects: Sequence[str]
    subjects_known: bool
    labels: Int[np.ndarray, " videos"]
    frames: Int[np.ndarray, " videos"]
    fps: Sequence[float]
    image_sizes: Sequence[tuple[int, int]]
    replicas: Sequence[Replica]
    losses: Float[np.ndarray, "epochs replicas"]
    probabilities: Float[np.ndarray, "epochs replicas evaluated"]
    seconds: float
    epoch_seconds: float | None
    fold_steps: int
    clips: int
    environment: Environment
    config: Mapping
    chooses_threshold: bool = False
    relabelled: Sequence[Outcome] = ()
    groups: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)

    @property
    def epochs(self) -> int:
        """The number of epochs."""
        return len(self.probabilities)

    def validation_probabilities(self, r: int) -> Float[np.ndarray, "epochs validation"]:
        """Returns what replica r predicts for its validation videos after every epoch."""
        return self.probabilities[:, r, : len(self.replicas[r].val)]

    def test_probabilities(self, r: int) -> Float[np.ndarray, "epochs test"]:
        """Returns what replica r predicts for its test videos after every epoch."""
        first = len(self.replicas[r].val)
        return self.probabilities[:, r, first : first + len(self.replicas[r].test)]


@dataclasses.dataclass(frozen=True)
class FoldPredictions:
    """The predictions of one protocol for the test videos of one fold in one run.

    Attributes:
        replica: whose test videos they are.
        epoch: after which they were made, from 0; None for `length_only`, which has none.
        probabilities: of spontaneous.
        validation: the same of the replica's validation videos, if it has any.
    """

    replica: Replica
    epoch: int | None
    probabilities: Float[np.ndarray, " test"]
    validation: Float[np.ndarray, " validation"]


def predictions_by_protocol(outcome: Outcome) -> dict[str, list[FoldPredictions]]:
    """Returns the predictions of each protocol, in the order of PROTOCOLS, by run and fold."""
    by_length = []
    for replica in full_training_folds(outcome.replicas):
        probabilities = metrics.length_only(outcome.frames, outcome.labels, replica.train, replica.test)
        by_length.append(FoldPredictions(replica, None, probabilities, validation=np.array([])))
    return {**predictions_of_models(outcome), "length_only": by_length}


def predictions_of_models(outcome: Outcome) -> dict[str, list[FoldPredictions]]:
    """Returns the predictions of each protocol that asks a model, in the order of MODEL_PROTOCOLS, by run and fold.

    With a single epoch there is no choice to make and no reason to give up a validation share: `validated`, `final`
    and `peeked` are the same predictions, those of the replica that is trained on the whole training fold. If a
    threshold is chosen, there is one: `validated` then is of the replica with a share, and its probabilities are
    shifted so that its threshold lies at 0.5.
    """
    predictions = {protocol: [] for protocol in MODEL_PROTOCOLS}
    for r in sorted(range(len(outcome.replicas)), key=lambda r: _position(outcome.replicas[r])):
        replica, test, validation = (
            outcome.replicas[r],
            outcome.test_probabilities(r),
            outcome.validation_probabilities(r),
        )
        for protocol, epoch in _chosen_epochs(outcome, r).items():
            chosen, held_out = test[epoch], validation[epoch]
            if replica.validated and outcome.chooses_threshold:
                threshold = metrics.best_threshold(outcome.labels[replica.val], held_out)
                chosen, held_out = metrics.shift(chosen, threshold), metrics.shift(held_out, threshold)
            predictions[protocol].append(FoldPredictions(replica, epoch, chosen, held_out))
    if outcome.epochs == 1 and predictions["final"] and not outcome.chooses_threshold:
        predictions["validated"] = list(predictions["final"])
    return predictions


def _position(replica: Replica) -> tuple[int, int]:
    return replica.run, replica.fold


def _chosen_epochs(outcome: Outcome, r: int) -> dict[str, int]:
    """Returns the epoch of replica r that each protocol takes; the other protocols do not use this replica."""
    replica = outcome.replicas[r]
    if replica.validated:
        labels = outcome.labels[replica.val]
        return {"validated": metrics.validated_epoch(labels, outcome.validation_probabilities(r))}
    labels = outcome.labels[replica.test]
    return {"final": outcome.epochs - 1, "peeked": metrics.peeked_epoch(labels, outcome.test_probabilities(r))}


def full_training_folds(replicas: Sequence[Replica]) -> list[Replica]:
    """Returns one replica for each run and fold, with its validation videos among its training videos."""
    folds = {}
    for replica in replicas:
        train = np.union1d(replica.train, replica.val).astype(int)
        folds[_position(replica)] = dataclasses.replace(replica, train=train, val=np.array([], int))
    return [folds[position] for position in sorted(folds)]

"""Replicas that are trained on permuted labels: what a system reaches where labels mean nothing."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from dfuse_jax.data.folds import Fold
from dfuse_jax.evaluate.retraining import moves_within_subjects
from dfuse_jax.experiments.replicas import make_replicas
from dfuse_jax.train import Replica


class Relabelled(NamedTuple):
    """A cross-validation under labels that have changed places.

    Attributes:
        labels: [V], 0 (posed) and 1 (spontaneous).
        replicas: with a validation share, one for each fold; their own labels are these.
    """

    labels: Int[np.ndarray, " videos"]
    replicas: list[Replica]


def make(
    permutations: int,
    folds: Sequence[Fold],
    labels: Int[np.ndarray, " videos"],
    subjects: Sequence[str],
    *,
    first_run: int,
    validation_share: float,
    seed: int,
) -> list[Relabelled]:
    """Returns a cross-validation of one run for each permutation of the labels.

    Args:
        permutations: how many.
        folds: of the cross-validation.
        labels: 0 (posed) and 1 (spontaneous).
        subjects: of the videos.
        first_run: the number of the first permutation's run, which no other replica has.
        validation_share: of the training videos.
        seed: of the permutations and of the validation shares.
    """
    people = np.asarray(subjects)
    relabelled = []
    for number in range(permutations):
        permuted, own_folds = permute(folds, labels, people, np.random.default_rng([seed, number]))
        replicas = make_replicas(
            own_folds,
            permuted,
            subjects,
            first_run=first_run + number,
            validation_share=validation_share,
            seed=seed,
        )
        validated = [replica for replica in replicas if replica.validated]
        relabelled.append(Relabelled(permuted, [with_labels(replica, permuted) for replica in validated]))
    return relabelled


def permute(
    folds: Sequence[Fold],
    labels: Int[np.ndarray, " videos"],
    subjects: np.ndarray,
    rng: np.random.Generator,
) -> tuple[Int[np.ndarray, " videos"], list[Fold]]:
    """Returns labels that have changed places, of training and test videos alike, and the folds that belong to them.

    Where some subject has videos of both classes, labels change places within subjects, and the folds stay. Otherwise
    subjects change places, and take over both the label and the fold of the one whose place they get: folds were made
    so that the classes are even in them, and with the old folds under new labels they would not be, which alone makes a
    classifier worse than chance.
    """
    if moves_within_subjects(labels, subjects):
        permuted = labels.copy()
        for subject in np.unique(subjects):
            (videos,) = np.nonzero(subjects == subject)
            permuted[videos] = labels[rng.permutation(videos)]
        return permuted, list(folds)
    people, first, number = np.unique(subjects, return_index=True, return_inverse=True)
    place = rng.permutation(len(people))[number]  # of every video: the subject whose place its own subject gets
    moved = [
        Fold(
            train=np.flatnonzero(np.isin(place, number[fold.train])),
            test=np.flatnonzero(np.isin(place, number[fold.test])),
        )
        for fold in folds
    ]
    return labels[first][place], moved


def with_labels(replica: Replica, labels: Int[np.ndarray, " videos"]) -> Replica:
    """Returns the replica with labels of its own."""
    return dataclasses.replace(replica, label=labels)

"""The replicas of a cross-validation: for each run and fold one model with, and one without, a validation share."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

from dfuse_jax.data.folds import Fold, split_training
from dfuse_jax.train import Replica


def make_replicas(
    folds: Sequence[Fold],
    labels: Int[np.ndarray, " videos"],
    subjects: Sequence[str],
    *,
    runs: int = 1,
    first_run: int = 0,
    validation_share: float = 0.2,
    seed: int = 0,
) -> list[Replica]:
    """Returns two replicas for each run and fold, by run and fold.

    First come those on all training videos of a fold, whose models are kept for predictions; then those that give up a
    share of the subjects, which chooses their epoch.

    Args:
        folds: of the cross-validation.
        labels: 0 (posed) and 1 (spontaneous).
        subjects: of the videos.
        runs: how many times each fold is trained, on other random numbers and with another validation share.
        first_run: the number of the first run, from 0.
        validation_share: of the training videos.
        seed: of the validation shares.
    """
    people = np.asarray(subjects)
    whole, validated = [], []
    for run in range(first_run, first_run + runs):
        for number, fold in enumerate(folds):
            split_seed = int(np.random.SeedSequence([seed, run, number]).generate_state(1)[0])
            train, val = split_training(fold, labels, people, share=validation_share, seed=split_seed)
            whole.append(Replica(run, number, fold.train, np.array([], int), fold.test))
            validated.append(Replica(run, number, train, val, fold.test))
    return whole + validated

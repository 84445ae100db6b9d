"""Subject-disjoint folds of a cross-validation."""

import dataclasses
import json
import os
import pathlib
import warnings
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Int, Shaped
from sklearn.model_selection import StratifiedGroupKFold

from dfuse_jax.runtime.errors import UserError
from dfuse_jax.runtime.files import atomic
from dfuse_jax.samples import Sample


@dataclasses.dataclass(frozen=True)
class Fold:
    """A fold of the cross-validation: indices of the videos that train and of those that test."""

    train: Int[np.ndarray, " train"]
    test: Int[np.ndarray, " test"]


def make_folds(labels: Sequence[int], subjects: Sequence[str], k: int, *, seed: int = 0) -> list[Fold]:
    """Makes stratified, subject-disjoint folds, the same for the same seed on every machine.

    Args:
        labels: [V], 1 spontaneous, 0 posed.
        subjects: [V].
        k: the number of folds.
        seed: determines the order of the subjects.

    Raises:
        UserError: fewer subjects than folds, or one class only.
    """
    count = len(np.unique(subjects))
    if count < 2:
        raise UserError("all videos are of the same subject: cross-validation needs at least two subjects.")
    if not 2 <= k <= count:
        raise UserError(f"{k} folds of {count} subjects: expected from 2 to {count} folds.", remedy="folds")
    if len(np.unique(labels)) < 2:
        raise UserError("all videos have the same label: cross-validation needs spontaneous and posed smiles.")
    largest = int(np.bincount(labels).max())
    if largest < k:
        raise UserError(
            f"{k} folds of {len(labels)} videos: the larger class has {largest} videos, expected from 2 to {largest} "
            "folds.",
            remedy="folds",
        )
    splits = _stratified_splits(np.asarray(labels), np.asarray(subjects), k=k, seed=seed)
    return [Fold(train=train, test=test) for train, test in splits]


def split_training(
    fold: Fold,
    labels: Int[np.ndarray, " videos"],
    subjects: Shaped[np.ndarray, " videos"],
    *,
    share: float,
    seed: int,
) -> tuple[Int[np.ndarray, " train"], Int[np.ndarray, " validation"]]:
    """Splits the training videos of a fold into those that train and about `share` of them that choose the epoch.

    Args:
        fold: only its training videos are split.
        labels: of all videos, 1 spontaneous, 0 posed.
        subjects: of all videos; none is on both sides of the split.
        share: the share of the training videos that chooses the epoch; approximate, since subjects stay whole.
        seed: determines the order of the subjects.

    Returns:
        The indices of the videos that train and of those that choose the epoch.

    Raises:
        UserError: the training videos are of a single subject, or only one of each class.
    """
    labels, subjects = labels[fold.train], subjects[fold.train]
    count, largest = len(np.unique(subjects)), int(np.bincount(labels).max())
    if count < 2 or largest < 2:
        raise UserError(
            f"a fold has {len(labels)} training videos of {count} subjects: too few to split them into a part that "
            "trains and a part that chooses the epoch. Use more data."
        )
    k = min(max(round(1 / share), 2), count, largest)
    train, validation = _stratified_splits(labels, subjects, k=k, seed=seed)[0]
    return fold.train[train], fold.train[validation]


def _stratified_splits(
    labels: Int[np.ndarray, " videos"], subjects: Shaped[np.ndarray, " videos"], *, k: int, seed: int
) -> list[tuple[Int[np.ndarray, " train"], Int[np.ndarray, " test"]]]:
    """Returns k subject-disjoint splits in which the classes' shares are as even as the subjects allow."""
    splitter = StratifiedGroupKFold(k, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # A class with fewer videos than folds cannot be in every test fold; the report counts the classes.
        warnings.filterwarnings("ignore", message="The least populated class")
        return list(splitter.split(labels, labels, subjects))


def check(folds: Iterable[Fold], samples: Sequence[Sample], places: Iterable[str]) -> None:
    """Checks folds that come with the data.

    Args:
        folds: indices into `samples`.
        samples: all samples of the data set.
        places: the file or folder of each fold, for the message.

    Raises:
        UserError: a fold has no videos to train or to test, or a subject among both.
    """
    for place, fold in zip(places, folds, strict=True):
        if not len(fold.train) or not len(fold.test):
            raise UserError(f"{place}: no video is left to train or to test.")
        trained = {samples[i].subject for i in fold.train}
        tested = {samples[i].subject for i in fold.test}
        both = sorted(subject for subject in trained & tested if subject is not None)
        if both:
            raise UserError(
                f"{place}: subject {both[0]} is in both its training and its test videos ({len(both)} such)."
            )


def save(directory: str | os.PathLike, samples: Sequence[Sample], folds: Sequence[Fold]) -> None:
    """Writes <directory>/<fold>/{train,test}.json, {video: label}: the published layout, in which they can be read."""
    for number, fold in enumerate(folds, 1):
        folder = pathlib.Path(directory) / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        for name, part in (("train", fold.train), ("test", fold.test)):
            with atomic(folder / f"{name}.json") as file:
                json.dump({samples[i].name: samples[i].label for i in part}, file, indent=1)

"""Folds: which videos train and which test."""

import dataclasses
import json
import os
import pathlib
import warnings
from collections.abc import Sequence

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from dfuse_jax.runtime.errors import UserError
from dfuse_jax.runtime.files import atomic
from dfuse_jax.samples import Sample


@dataclasses.dataclass(frozen=True)
class Fold:
    """A fold of the cross-validation: indices of the videos that train and of those that test."""

    train: np.ndarray
    test: np.ndarray


def _stratified(labels: np.ndarray, subjects: np.ndarray, k: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """k subject-disjoint splits (train, test) with the classes' shares as even as the subjects allow."""
    splitter = StratifiedGroupKFold(k, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # A class with fewer videos than folds cannot be in every test fold; the report counts the classes.
        warnings.filterwarnings("ignore", message="The least populated class")
        return list(splitter.split(labels, labels, subjects))


def make_folds(labels: Sequence[int], subjects: Sequence[str], k: int, *, seed: int = 0) -> list[Fold]:
    """Stratified, subject-disjoint folds, the same for the same seed on every machine.

    Args:
        labels: [V], 1 spontaneous, 0 posed.
        subjects: [V].
        k: how many.
        seed: of the subjects' order.

    Raises:
        UserError: fewer subjects than folds, or one class only.
    """
    labels, subjects = np.asarray(labels), np.asarray(subjects)
    people = len(np.unique(subjects))
    if not 2 <= k <= people:
        raise UserError(f"{k} folds of {people} subjects: set config.cv.folds to a number from 2 to {people}.")
    if len(np.unique(labels)) < 2:
        raise UserError("all videos have the same label: cross-validation needs spontaneous and posed smiles.")
    if max(np.bincount(labels)) < k:
        raise UserError(f"{k} folds of {len(labels)} videos: no class has that many. Set config.cv.folds lower.")
    return [Fold(train, test) for train, test in _stratified(labels, subjects, k, seed)]


def _give_up_share(fold: Fold, labels, subjects, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Splits the fold's training videos: those that train and, about `share` of them, those that choose the epoch."""
    people = len(np.unique(subjects[fold.train]))
    if people < 2:
        raise UserError(
            "a training fold has a single subject, of whom no part can choose the epoch: use data with more subjects."
        )
    k = min(max(round(1 / share), 2), people, int(np.bincount(labels[fold.train]).max()))
    keep, give = _stratified(labels[fold.train], subjects[fold.train], k, seed)[0]
    return fold.train[keep], fold.train[give]


def check(folds: Sequence[Fold], samples: Sequence[Sample], where: Sequence[str]) -> None:
    """Raises UserError, which tells `where`, for a fold without videos or with a subject in both its parts."""
    for place, fold in zip(where, folds, strict=True):
        if not len(fold.train) or not len(fold.test):
            raise UserError(f"{place}: no video is left to train or to test.")
        sides = [{samples[i].subject for i in part} - {None} for part in (fold.train, fold.test)]
        if both := sorted(sides[0] & sides[1]):
            raise UserError(
                f"{place}: subject {both[0]} is in both its training and its test videos ({len(both)} such)."
            )


def save(directory: str | os.PathLike, samples: Sequence[Sample], folds: Sequence[Fold]) -> None:
    """Writes <directory>/<fold>/{train,test}.json, {video: label}: the published layout, in which they can be read."""
    for number, fold in enumerate(folds, 1):
        folder = pathlib.Path(directory) / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        for part in ("train", "test"):
            with atomic(folder / f"{part}.json") as file:
                json.dump({samples[i].name: samples[i].label for i in getattr(fold, part)}, file, indent=1)

"""A data set: samples, the folds that come with it, and a description of both in words."""

from collections.abc import Sequence
from typing import NamedTuple

from dfuse_jax.data.folds import Fold
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.samples import Sample


class Dataset(NamedTuple):
    """Samples and folds.

    Attributes:
        samples: sorted by name, all with a label.
        folds: the folds that come with the data; empty if they are still to be made.
        notes: sentences on the data that a user must read.
    """

    samples: list[Sample]
    folds: list[Fold]
    notes: tuple[str, ...] = ()


def list_labels(samples: Sequence[Sample]) -> list[int]:
    """Returns the labels, 1 spontaneous and 0 posed.

    Raises:
        UserError: a sample has no label.
    """
    labels = []
    for sample in samples:
        if sample.label is None:
            raise UserError(f"{sample.name}: has no label, expected 1 (spontaneous) or 0 (posed).")
        labels.append(sample.label)
    return labels


def list_subjects(samples: Sequence[Sample]) -> list[str]:
    """Returns the subjects; a video of an unknown subject counts as a subject of its own, named after the video."""
    return [sample.name if sample.subject is None else sample.subject for sample in samples]


def describe(samples: Sequence[Sample], folds: Sequence[Fold]) -> str:
    """Describes the class balance: one line on the samples, and one on folds that test one class only, if any."""
    labels = list_labels(samples)
    unknown = sum(sample.subject is None for sample in samples)
    if unknown:
        subjects = f"unknown subjects ({unknown} videos do not name theirs)"
    else:
        subjects = f"{len(set(list_subjects(samples)))} subjects"
    frames = sum(len(sample.landmarks) for sample in samples)
    text = (
        f"{len(samples)} videos ({sum(labels)} spontaneous, {len(samples) - sum(labels)} posed) of {subjects}, "
        f"{frames} frames"
    )
    if folds:
        text += f", {len(folds)} folds"
    one_class = []
    for number, fold in enumerate(folds, 1):
        tested = {labels[i] for i in fold.test}
        if len(tested) == 1:
            one_class.append(f"{number} ({'posed' if tested == {0} else 'spontaneous'})")
    if one_class:
        text += f"\nfolds that test one class only, where balanced accuracy and AUC say nothing: {', '.join(one_class)}"
    return text

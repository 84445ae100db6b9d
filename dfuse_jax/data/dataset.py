"""A data set: samples, the folds that come with it, and its balance in words."""

from collections.abc import Sequence
from typing import NamedTuple

from dfuse_jax.data.folds import Fold
from dfuse_jax.samples import Sample


class Dataset(NamedTuple):
    """What a reader found.

    Attributes:
        samples: sorted by name.
        folds: those that come with the data; none: they are to be made.
        note: what else a user must know of the data, a line each.
    """

    samples: list[Sample]
    folds: list[Fold]
    note: tuple[str, ...] = ()


def subjects(samples: Sequence[Sample]) -> list[str]:
    """Who smiles in each video; a video whose subject is unknown counts as somebody of its own."""
    return [s.name if s.subject is None else s.subject for s in samples]


def describe(samples: Sequence[Sample], folds: Sequence[Fold]) -> str:
    """Class balance in words: a line for the data set, and one for the folds that test one class only, if any do."""
    spontaneous, people = sum(s.label for s in samples), len(set(subjects(samples)))
    unknown = sum(s.subject is None for s in samples)
    who = f"{people} subjects" if not unknown else f"unknown subjects ({unknown} videos do not tell theirs)"
    line = (
        f"{len(samples)} videos ({spontaneous} spontaneous, {len(samples) - spontaneous} posed) of {who}, "
        f"{sum(len(s.landmarks) for s in samples)} frames" + (f", {len(folds)} folds" if folds else "")
    )
    one_class = {
        number: "posed" if labels == {0} else "spontaneous"
        for number, fold in enumerate(folds, 1)
        if len(labels := {samples[i].label for i in fold.test}) == 1
    }
    if one_class:
        told = ", ".join(f"{number} ({word})" for number, word in one_class.items())
        line += f"\nfolds that test one class only, where balanced accuracy and AUC say nothing: {told}"
    return line

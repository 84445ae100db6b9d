"""The scores of parts of the videos: by age, sex or whatever else is known of them."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dfuse_jax.evaluate import resampling
from dfuse_jax.evaluate.resampling import Pooled

FEWEST_SUBJECTS = 5  # in a group: of fewer the numbers would say nothing, and might tell of a person
METRICS = ("accuracy", "auc")


def compute(pooled: Pooled, groups: Mapping[str, Sequence[str]], videos: Sequence[int]) -> list[dict[str, Any]]:
    """Returns the scores of each group, with intervals by bootstrap over its subjects.

    Args:
        pooled: the predictions.
        groups: {property: the group of every video by it}, as of `data.subgroups`.
        videos: which of these videos each pooled one is.

    Returns:
        `property`, `group`, `videos`, `subjects` and `scores` of each, in the order of the properties, then by name
        and number;
        `scores` is None where a group has fewer than FEWEST_SUBJECTS. A property that does not divide the videos is
        left out.
    """
    rows = []
    for name, of_all in groups.items():
        of_video = np.array([of_all[v] for v in videos], str)
        members = {
            group: np.flatnonzero(of_video == group) for group in sorted(set(of_video.tolist()), key=_by_numbers)
        }
        if len(members) < 2:
            continue
        rows += [{"property": name, "group": group, **_scores(pooled, chosen)} for group, chosen in members.items()]
    return rows


def _by_numbers(group: str) -> list[str | float]:
    """Sorts 5 before 18, and both before words."""
    return [float(part) if n % 2 else part for n, part in enumerate(re.split(r"(\d+(?:\.\d+)?)", group))]


def _scores(pooled: Pooled, chosen: np.ndarray) -> dict[str, Any]:
    _, subjects = np.unique(pooled.subjects[chosen], return_inverse=True)
    part = Pooled(pooled.labels[chosen], subjects, pooled.probabilities[:, chosen])
    scores = None
    if part.num_subjects >= FEWEST_SUBJECTS:
        intervals = resampling.bootstrap(part)
        scores = {metric: intervals[metric]._asdict() for metric in METRICS}
    return {"videos": len(chosen), "subjects": part.num_subjects, "scores": scores}

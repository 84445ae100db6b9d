"""The numbers of trained models on videos that had no part in their cross-validation."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from dfuse_jax.evaluate import calibration, metrics, resampling, roc, subgroups
from dfuse_jax.evaluate.resampling import Pooled
from dfuse_jax.evaluate.results import CLASSES, as_json

FORMAT = 1  # of evaluation.json


class Videos(NamedTuple):
    """Labelled videos.

    Attributes:
        names: of the videos.
        subjects: of the videos; None where unknown.
        labels: 0 (posed) and 1 (spontaneous).
        frames: number of frames of each.
    """

    names: Sequence[str]
    subjects: Sequence[str | None]
    labels: Int[np.ndarray, " videos"]
    frames: Int[np.ndarray, " videos"]


def compute(
    videos: Videos,
    probabilities: Float[np.ndarray, "models videos"],
    training: Videos | None,
    groups: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    """Returns what evaluation.json holds of the numbers, in JSON's own types.

    Args:
        videos: new ones.
        probabilities: of spontaneous, by each model.
        training: those of the models' cross-validation; None unknown.
        groups: {property: the group of each video by it}.

    Returns:
        `data`; `scores` of the models' mean (`mean`), of a model on average (`each`) and, where the training videos are
        known, of `length_only`, with intervals by bootstrap over subjects; `majority`: the accuracy of always
        predicting the training videos' majority class; `permutation`, `calibration`, `roc`, `confusion` and
        `subgroups` of the models' mean. `schema.read("evaluation")` describes every field.
    """
    known = all(subject is not None for subject in videos.subjects)
    named = [subject if known else name for subject, name in zip(videos.subjects, videos.names, strict=True)]
    _, subjects = np.unique(np.array(named, str), return_inverse=True)
    mean = probabilities.astype(float).mean(axis=0)
    pooled = {
        "mean": Pooled(videos.labels, subjects, mean[None]),
        "each": Pooled(videos.labels, subjects, probabilities.astype(float)),
    }
    curve = roc.average(pooled["mean"])
    majority = None
    if training is not None:
        by_length = _length_only(training, videos)
        pooled["length_only"] = Pooled(videos.labels, subjects, by_length[None])
        majority = float((videos.labels == (training.labels.mean() >= 0.5)).mean())
    return as_json(
        {
            "format": FORMAT,
            "models": len(probabilities),
            "data": {
                "videos": len(videos.labels),
                "subjects": len(set(subjects)) if known else None,
                "classes": {name: int((videos.labels == label).sum()) for label, name in enumerate(CLASSES)},
            },
            "scores": {
                name: {metric: interval._asdict() for metric, interval in resampling.bootstrap(of).items()}
                for name, of in pooled.items()
            },
            "majority": majority,
            "permutation": resampling.permute(pooled["mean"])._asdict(),
            "calibration": {
                **calibration.summary(videos.labels, mean),
                "abstention": calibration.abstention(videos.labels, mean),
                "temperature": None,
                "cooled": None,
            },
            "roc": None if curve is None else curve._asdict(),
            "confusion": roc.confusion(pooled["mean"], CLASSES),
            "subgroups": subgroups.compute(pooled["mean"], groups or {}, range(len(videos.labels))),
        }
    )


def _length_only(training: Videos, videos: Videos) -> Float[np.ndarray, " videos"]:
    """Predicts from the number of frames alone, as it was in the training videos."""
    labels = np.concatenate([training.labels, videos.labels])
    frames = np.concatenate([training.frames, videos.frames])
    of_training = np.arange(len(training.labels))
    return metrics.length_only(frames, labels, of_training, len(of_training) + np.arange(len(videos.labels)))

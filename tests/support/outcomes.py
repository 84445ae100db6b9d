"""A made-up run that is known by hand: 6 videos, 2 folds, 1 run, 3 epochs, both kinds of replica."""

import dataclasses
import math

import numpy as np

from dfuse_jax.evaluate.outcome import Environment, Outcome
from dfuse_jax.train import Replica

NONE = np.array([], int)
ENVIRONMENT = Environment(
    platform="gpu",
    device_kind="NVIDIA H100 80GB HBM3",
    devices=8,
    processes=2,
    model_dtype="bfloat16",
    jax_enable_x64=False,
)


def outcome(**changes) -> Outcome:
    """Returns the run, with some of its fields changed."""
    right, wrong = {1: 0.9, 0: 0.1}, {1: 0.2, 0: 0.8}
    labels = np.array([1, 0, 1, 0, 1, 0])
    replicas = [
        Replica(0, 1, np.array([0, 1, 2, 3]), NONE, np.array([5])),
        Replica(0, 0, np.array([4, 5]), np.array([2, 3]), np.array([0, 1])),
        Replica(0, 0, np.array([2, 3, 4, 5]), NONE, np.array([0, 1])),
        Replica(0, 1, np.array([0, 1]), np.array([2, 3]), np.array([5])),
    ]
    # What each epoch gets right of each evaluated video (val, then test).
    correct = [
        ["0", "1", "0"],  # fold 2, all: peeked epoch 2 (100%), final 0%
        ["1011", "1100", "0111"],  # fold 1, with val: epoch 2 is chosen, which gets both test videos wrong
        ["00", "00", "10"],  # fold 1, all: peeked = final = epoch 3 (50%)
        ["111", "110", "001"],  # fold 2, with val: epochs 1 and 2 are alike on val, so the earlier: 100% on one video
    ]
    probabilities = np.full((3, 4, 4), np.nan, np.float32)
    for r, replica in enumerate(replicas):
        videos = np.concatenate([replica.val, replica.test])
        for epoch in range(3):
            for e, v in enumerate(videos):
                probabilities[epoch, r, e] = (right if correct[r][epoch][e] == "1" else wrong)[labels[v]]
    fields = {
        "name": "hand",
        "note": "A made-up run.",
        "names": ["f", "e", "d", "c", "b", "a, é"],
        "subjects": list("uvwxyz"),
        "subjects_known": True,
        "labels": labels,
        "frames": np.array([30, 10, 32, 12, 34, 14]),
        "fps": [25, 50, 25, 50, 29.97, 25],
        "image_sizes": [(640, 480)] * 5 + [(1920, 1080)],
        "replicas": replicas,
        "losses": np.linspace(0.7, 0.1, 12).reshape(3, 4),
        "probabilities": probabilities,
        "seconds": 1.5,
        "epoch_seconds": 0.5,
        "fold_steps": 20,
        "clips": 400,
        "environment": ENVIRONMENT,
        "config": {
            **{"system": "dfusesmilenet", "data": {"source": "folder"}, "model": {"fusion": "film"}},
            **{"epochs": np.int64(3), "rates": (5e-4, math.inf)},
        },
    }
    return Outcome(**fields | changes)


def outcome_without_epochs(**changes) -> Outcome:
    """Returns what a system that does not train in epochs leaves behind: one row of predictions, and no losses."""
    last = outcome()
    fields = {
        "losses": np.full((1, 4), np.nan),
        "probabilities": last.probabilities[-1:],
        "epoch_seconds": None,
        "fold_steps": 0,
        "clips": 0,
    }
    return dataclasses.replace(last, **fields | changes)


def only(made: Outcome, members: list[int], **changes) -> Outcome:
    """Returns the outcome of some of its replicas, in this order."""
    return dataclasses.replace(
        made,
        replicas=[made.replicas[r] for r in members],
        probabilities=made.probabilities[:, members],
        losses=made.losses[:, members],
        **changes,
    )


def accuracies(results: dict, protocol: str) -> list[tuple]:
    """Returns (fold, epoch, accuracy) of each row of a protocol."""
    return [(row["fold"], row["epoch"], row["accuracy"]) for row in results["protocols"][protocol]["folds"]]

"""The whole way: samples -> D-Markers and clips -> all folds at once -> report."""

import dataclasses
import json
import pathlib
import time
import zlib
from collections.abc import Mapping, Sequence

import jax
import numpy as np
from ml_collections import ConfigDict
from tqdm import tqdm

from dfuse_jax import recipe, report, train, workdir
from dfuse_jax.data import features, readers
from dfuse_jax.data.folds import Fold, Replica, make_replicas
from dfuse_jax.data.samples import Sample, scale
from dfuse_jax.errors import UserError
from dfuse_jax.models import DFuseSmileNet
from dfuse_jax.report.metrics import hits


def build_model(model: Mapping) -> DFuseSmileNet:
    """The model of a config's `model` section (also one read from JSON, where tuples are lists)."""
    return DFuseSmileNet(**{**model, "blocks": tuple(tuple(block) for block in model["blocks"])})


def build_settings(config: Mapping) -> train.Settings:
    """The training settings of a config."""
    fields = {field.name for field in dataclasses.fields(train.Settings)} - {"seed"}
    return train.Settings(**{name: config["train"][name] for name in fields}, seed=config["seed"])


def _fingerprint(samples: Sequence[Sample], folds: Sequence[Fold]) -> dict:
    crc = 0
    for sample in samples:
        told = (sample.name, sample.label, sample.subject, sample.fps, sample.image_size)
        crc = zlib.crc32(sample.landmarks.tobytes(), zlib.crc32(repr(told).encode(), crc))
    for fold in folds:
        crc = zlib.crc32(np.concatenate([fold.train, [-1], fold.test]).astype(np.int64).tobytes(), crc)
    return {"videos": len(samples), "folds": len(folds), "crc32": crc}


def _shuffle(what: str, labels: np.ndarray, dmarkers: np.ndarray, seed: int):
    """The controls: labels or D-Markers dealt out to other videos."""
    order = np.random.default_rng([seed, len(labels)]).permutation(len(labels))
    return (labels[order] if what == "labels" else labels, dmarkers[order] if what == "dmarkers" else dmarkers)


def _check_batch(batch: int, folds: Sequence[Fold]) -> None:
    # Up to the paper's batch a smaller fold still trains, on batches in which some of its videos come twice.
    smallest = min(len(fold.train) for fold in folds)
    if batch > max(smallest, 16):
        raise UserError(
            f"config.train.batch_size is {batch}, but the smallest training fold has {smallest} videos: "
            f"set it to at most {smallest}."
        )


class _Bar:
    """The progress bar: epoch, loss, validation accuracy, time left."""

    def __init__(self, epochs: int, replicas: Sequence[Replica], labels: np.ndarray):
        self.bar = tqdm(total=epochs, desc="epoch", unit="epoch", smoothing=0.5)
        self.bar.set_postfix_str("compiling")
        self.replicas, self.labels = replicas, labels

    def __call__(self, done: int, history: train.History) -> None:
        if done:
            validated = [r for r, replica in enumerate(self.replicas) if replica.validated]
            right = [
                hits(self.labels[self.replicas[r].val], history.probabilities[done - 1, r, : len(self.replicas[r].val)])
                for r in validated
            ]
            accuracy = np.mean(np.concatenate(right))
            self.bar.set_postfix_str(f"loss {history.losses[done - 1].mean():.3f}, validation {accuracy:.1%}", False)
        self.bar.update(done - self.bar.n)


def _export(directory: pathlib.Path, state: train.State, chosen: Sequence[int]) -> None:
    """Saves the models that were trained on whole training folds, for `prediction`."""
    models = train.Checkpoints(directory)
    if models.latest is None:
        models.save(0, jax.tree.map(lambda a: a[list(chosen)], state._replace(optimizer=())))
    models.close()


def cross_validate(config: ConfigDict, directory: pathlib.Path) -> dict | None:
    """Trains and tests every fold, and writes the report into `directory`; goes on where an earlier call stopped.

    Returns:
        What results.json holds; None if the run was finished already.

    Raises:
        UserError: bad config, bad data, or a folder of another run.
    """
    recipe.check(config)
    with workdir.locked(directory):
        workdir.claim(directory / "config.json", config.to_dict(), "config")
        if (directory / "results.json").exists():
            return None
        return _run(config, directory)


def _run(config: ConfigDict, directory: pathlib.Path) -> dict:
    begin = time.perf_counter()
    samples, folds = readers.read(config.data, config.cv, config.seed)
    workdir.claim(directory / "data.json", _fingerprint(samples, folds), "data set")
    _check_batch(config.train.batch_size, folds)
    labels, subjects = np.array([s.label for s in samples]), [s.subject for s in samples]
    dmarkers = features.compute(
        samples, definition=config.dmarkers.definition, smoothing=config.dmarkers.smoothing or None
    )
    labels, dmarkers = _shuffle(config.data.shuffle, labels, dmarkers, config.seed)
    share = config.cv.validation_share
    replicas = make_replicas(folds, labels, subjects, runs=config.cv.runs, validation_share=share, seed=config.seed)
    model, settings = build_model(config.model.to_dict()), build_settings(config.to_dict())
    videos = train.pack(model, [scale(s.landmarks) for s in samples], labels, dmarkers)
    checkpoints = train.Checkpoints(directory / "checkpoints", every=config.train.checkpoint_every)
    bar = _Bar(settings.epochs, replicas, labels)
    try:
        state, history = train.train(model, videos, replicas, settings, checkpoints=checkpoints, on_epoch=bar)
    finally:
        bar.bar.close()
        checkpoints.close()
    _export(directory / "model", state, [r for r, replica in enumerate(replicas) if not replica.validated])
    outcome = report.Outcome(
        name=config.name,
        note=config.note,
        names=[s.name for s in samples],
        subjects=subjects,
        labels=labels,
        frames=np.array([len(s.landmarks) for s in samples]),
        replicas=replicas,
        losses=history.losses,
        probabilities=history.probabilities,
        seconds=time.perf_counter() - begin,
        config=json.loads(json.dumps(config.to_dict())),
    )
    return report.write(directory, outcome)

"""The whole way: samples -> D-Markers and clips -> all folds at once -> report."""

import contextlib
import dataclasses
import json
import pathlib
import shutil
import time
import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from dfuse_jax import train
from dfuse_jax.data import features, load
from dfuse_jax.data.folds import Fold, make_replicas
from dfuse_jax.data.folds import save as save_folds
from dfuse_jax.evaluate.outcome import Outcome
from dfuse_jax.experiments import recipe, workdir
from dfuse_jax.experiments.progress import Watch
from dfuse_jax.models import DFuseSmileNet, sizes
from dfuse_jax.report import run as report
from dfuse_jax.runtime import messages
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.samples import Sample, scale


def build_model(model: Mapping) -> DFuseSmileNet:
    """The model of a config's `model` section (also one read from JSON, where tuples are lists)."""
    return DFuseSmileNet(**{**model, "blocks": tuple(tuple(block) for block in model["blocks"])})


def _check_model(config: ConfigDict) -> None:
    try:
        sizes.classifier_shapes(build_model(config.model.to_dict()))
    except ValueError as error:
        raise UserError(f"config.model: {config.model.fusion}: {error}") from error


def build_settings(config: Mapping) -> train.Settings:
    """The training settings of a config."""
    fields = {field.name for field in dataclasses.fields(train.Settings)} - {"seed"}
    return train.Settings(**{name: config["train"][name] for name in fields}, seed=config["seed"])


def fingerprint(samples: Sequence[Sample], folds: Sequence[Fold]) -> dict:
    """Tells data sets apart: JSON-able."""
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


def _export(directory: pathlib.Path, state: train.State, chosen: Sequence[int]) -> None:
    """Saves the models that were trained on whole training folds, for `prediction`."""
    shutil.rmtree(directory, ignore_errors=True)  # of a process that died between this and the report
    models = train.Checkpoints(directory)
    models.save(0, jax.tree.map(lambda a: a[list(chosen)], state._replace(optimizer=())))
    models.close()


class Prepared(NamedTuple):
    """What training needs of the data, and nothing of the model."""

    samples: list[Sample]
    folds: list[Fold]
    labels: np.ndarray  # [V]
    dmarkers: np.ndarray  # [V, 225]


def prepare(config: ConfigDict) -> Prepared:
    """Reads or makes the samples and folds, and computes the D-Markers; raises UserError for bad data."""
    recipe.check(config)
    samples, folds = load.read(config.data, config.cv, config.seed, messages.say)
    _check_batch(config.train.batch_size, folds)
    options = config.dmarkers
    found = features.compute(samples, definition=options.definition, smoothing=options.smoothing or None)
    labels, found = _shuffle(config.data.shuffle, np.array([s.label for s in samples]), found, config.seed)
    return Prepared(samples, folds, labels, found)


def cross_validate(config: ConfigDict, directory: pathlib.Path, prepared: Prepared | None = None) -> dict | None:
    """Trains and tests every fold, and writes the report into `directory`; goes on where an earlier call stopped.

    Of several processes (see `distributed`) all train, and the first alone reads and writes `directory`.

    Args:
        config: a recipe.
        directory: made if it is not there.
        prepared: `prepare(config)`, if that is known already.

    Returns:
        What results.json holds; None if the run was finished already.

    Raises:
        UserError: bad config, bad data, a folder of another run, or processes that differ in these.
    """
    recipe.check(config)
    _check_model(config)
    content = config.to_dict()
    messages.agree("config", workdir.flatten(content))
    with workdir.locked(directory):
        if messages.by_first(_finished, directory, content):
            return None
        begin = time.perf_counter()
        prepared = prepare(config) if prepared is None else prepared
        found = fingerprint(prepared.samples, prepared.folds)
        messages.agree("data set", found)
        messages.by_first(claim, directory, content, found)  # only now: the config led to data
        messages.by_first(save_folds, directory / "folds", prepared.samples, prepared.folds)
        return _run(config, directory, prepared, begin)


def _finished(directory: pathlib.Path, config: Mapping) -> bool:
    workdir.compare(directory / "config.json", config, "config")
    return (directory / "results.json").exists()


def claim(directory: pathlib.Path, config: Mapping, data: Mapping) -> None:
    """Makes the folder one of this config and data, or raises UserError if it is another's."""
    workdir.claim(directory / "config.json", config, "config")
    workdir.claim(directory / "data.json", data, "data set")


def _pass_size(config: ConfigDict, checkpoints: train.Checkpoints, model, settings, replicas, videos) -> int:
    """Replicas of a pass: those that the checkpoints began with, that the config gives, or that fit all processes."""
    begun = messages.by_first(lambda: checkpoints.facts.get("replicas_per_pass"))
    if begun:
        return begun
    devices = jax.local_devices()
    at_most = config.train.replicas_per_pass or messages.size() * min(
        messages.exchange(train.fitting(model, settings, train.assign(replicas), videos, devices))
    )
    return train.pass_size(len(replicas), at_most, len(devices) * messages.size())


def _run(config: ConfigDict, directory: pathlib.Path, prepared: Prepared, begin: float) -> dict:
    samples, folds, labels, dmarkers = prepared
    subjects = load.subjects(samples)
    share = config.cv.validation_share
    replicas = make_replicas(folds, labels, subjects, runs=config.cv.runs, validation_share=share, seed=config.seed)
    platform, settings = jax.default_backend(), build_settings(config.to_dict())
    model = build_model(config.model.to_dict()).on(platform)
    videos = train.pack(model, [scale(s.landmarks) for s in samples], labels, dmarkers)
    with contextlib.closing(
        train.Checkpoints(directory / "checkpoints", every=config.train.checkpoint_every)
    ) as checkpoints:
        size = _pass_size(config, checkpoints, model, settings, replicas, videos)
        model = model.on(platform, size // (jax.local_device_count() * messages.size()) or 1)
        watch = Watch(settings.epochs, replicas, labels, train.passes(len(replicas), size))
        with contextlib.closing(watch.bar):
            state, history = train.train(
                model, videos, replicas, settings, checkpoints=checkpoints, on_epoch=watch, size=size
            )
    steps = [max(len(replica.train) // settings.batch_size, 1) for replica in replicas]
    evaluated = sum(len(replica.val) + len(replica.test) for replica in replicas) * settings.eval_windows
    outcome = Outcome(
        name=config.name,
        note=recipe.note(config),
        names=[s.name for s in samples],
        subjects=subjects,
        subjects_known=all(s.subject is not None for s in samples),
        labels=labels,
        frames=np.array([len(s.landmarks) for s in samples]),
        replicas=replicas,
        losses=history.losses,
        probabilities=history.probabilities,
        seconds=time.perf_counter() - begin,
        epoch_seconds=watch.epoch_seconds(),
        fold_steps=sum(steps),
        clips=sum(steps) * settings.batch_size + evaluated,
        config=json.loads(json.dumps(config.to_dict())),
    )

    def write():
        _export(directory / "model", state, [r for r, replica in enumerate(replicas) if not replica.validated])
        return report.write(directory, outcome)

    return messages.by_first(write)

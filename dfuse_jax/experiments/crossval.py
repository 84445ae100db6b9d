"""A whole cross-validation: samples, what the system sees of them, all folds at once, report."""

import contextlib
import dataclasses
import json
import pathlib
import time
import zlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import numpy as np

from dfuse_jax import systems
from dfuse_jax.data import dataset, folds, load, subgroups
from dfuse_jax.data.folds import Fold
from dfuse_jax.data.mirror import mirror
from dfuse_jax.evaluate.outcome import Environment, Outcome
from dfuse_jax.experiments import events, permutations, recipe, workdir
from dfuse_jax.experiments.events import Events
from dfuse_jax.experiments.permutations import Relabelled
from dfuse_jax.experiments.progress import ProgressBar
from dfuse_jax.experiments.recipe import Config
from dfuse_jax.experiments.replicas import make_replicas
from dfuse_jax.report import run as report
from dfuse_jax.runtime import messages
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.samples import Sample
from dfuse_jax.systems import System, checks
from dfuse_jax.train import History, Inputs, Progress, Replica

FITTED = "checkpoints"  # where in a run's folder the system leaves what it learns


class Data(NamedTuple):
    """What a cross-validation is about: the samples and their folds."""

    samples: list[Sample]
    folds: list[Fold]

    @property
    def fingerprint(self) -> dict:
        """What tells data sets apart, as JSON."""
        crc = 0
        for sample in self.samples:
            description = (sample.name, sample.label, sample.subject, sample.fps, sample.image_size)
            crc = zlib.crc32(sample.landmarks.tobytes(), zlib.crc32(repr(description).encode(), crc))
        for fold in self.folds:
            crc = zlib.crc32(np.concatenate([fold.train, [-1], fold.test]).astype(np.int64).tobytes(), crc)
        return {"videos": len(self.samples), "folds": len(self.folds), "crc32": crc}


def read_data(config: Config) -> Data:
    """Reads or makes the samples and folds of a recipe; raises UserError for data that cannot be."""
    recipe.check(config)
    data = load.load_with_folds(
        config.data.source,
        directory=config.data.dir,
        videos=config.data.get("videos", 0),
        subjects=config.data.get("subjects", 0),
        num_folds=config.cv.folds,
        seed=config.seed,
        chips=config.data.get("chips", False),
        say=messages.say,
    )
    check_batch(config, data.folds)
    return Data(data.samples, data.folds)


def cross_validate(
    config: Config,
    directory: pathlib.Path,
    data: Data | None = None,
    inputs: Inputs | None = None,
    *,
    tensorboard: bool | None = None,
) -> dict | None:
    """Fits and tests every fold, and writes the report into `directory`; goes on where an earlier call stopped.

    Of several processes all train, each sees `directory`, and the first alone writes the report.

    Args:
        config: a recipe.
        directory: made if it is not there.
        data: `read_data(config)`, if that is known already.
        inputs: `read_inputs` of these data, if that is known already.
        tensorboard: whether to write events for TensorBoard; None: if what writes them is installed.

    Returns:
        What results.json holds; None if the run was finished already. A finished run whose report lacks a file is
        reported anew, from its checkpoints.

    Raises:
        UserError: bad config, bad data, a folder of another run, processes that differ in these, or events are to be
            written and what writes them is not installed.
    """
    recipe.check(config)
    system = systems.build(config)
    tensorboard = events.are_written(tensorboard)
    content = config.to_dict()
    messages.agree("config", workdir.flatten(content))
    with workdir.locked(directory):
        if messages.by_first(is_finished, directory, content, report.FILES):
            return None
        begin = time.perf_counter()
        data = read_data(config) if data is None else data
        messages.agree("data set", data.fingerprint)
        messages.by_first(claim, directory, content, data.fingerprint)  # only now: the config led to data
        messages.by_first(folds.save, directory / "folds", data.samples, data.folds)
        inputs = read_inputs(system, data, config) if inputs is None else inputs
        outcome = fit_folds(config, directory, system, data, inputs, begin, tensorboard=tensorboard)
        return messages.by_first(report.write, directory, outcome)


def claim(directory: pathlib.Path, config: Mapping, data: Mapping) -> None:
    """Makes the folder one of this config and data, or raises UserError if it is another's."""
    workdir.claim(directory / "config.json", config, "config")
    workdir.claim(directory / "data.json", data, "data set")


def read_inputs(system: System, data: Data, config: Config) -> Inputs:
    """Returns what a system sees of the videos, followed by the mirrored videos if these train as well."""
    mirrored = [mirror(sample) for sample in data.samples] if checks.is_on(config, "mirrored") else []
    return system.inputs([*data.samples, *mirrored])


def with_mirrored(replica: Replica, videos: int) -> Replica:
    """Returns the replica that trains on the mirrored training videos, too, which follow all `videos`."""
    label = None if replica.label is None else np.tile(replica.label, 2)
    return dataclasses.replace(replica, train=np.concatenate([replica.train, replica.train + videos]), label=label)


def shuffled(inputs: Inputs, what: str, seed: int, copies: int = 1) -> Inputs:
    """Returns the inputs of a control: labels or D-Markers dealt out to other videos, or as they are ("nothing").

    Args:
        inputs: of the videos, `copies` times one after another.
        what: is dealt out.
        seed: of the order.
        copies: that are dealt out alike.
    """
    videos = len(inputs.label) // copies
    order = np.random.default_rng([seed, videos]).permutation(videos)
    order = np.concatenate([order + copy * videos for copy in range(copies)])
    if what == "labels":
        return inputs._replace(label=inputs.label[order])
    if what == "dmarkers":
        if "dmarkers" not in inputs.per_video:
            raise UserError("config.data.shuffle is 'dmarkers', but this system does not see any.")
        return inputs._replace(per_video={**inputs.per_video, "dmarkers": inputs.per_video["dmarkers"][order]})
    return inputs


def is_finished(directory: pathlib.Path, config: Mapping, files: Sequence[str] = ("results.json",)) -> bool:
    """Returns whether the folder holds these files; raises UserError if they are those of another config."""
    workdir.compare(directory / "config.json", config, "config")
    return all((directory / name).exists() for name in files)


def check_batch(config: Config, folds: Sequence[Fold]) -> None:
    """Raises UserError if a batch is larger than the videos that the smallest fold trains on."""
    # Up to the paper's batch a smaller fold still trains, on batches in which some of its videos come twice.
    if "train" not in config:  # a system without a network
        return
    batch = config.train.batch_size
    smallest = min(len(fold.train) for fold in folds)
    if batch > max(smallest, 16):
        raise UserError(
            f"config.train.batch_size is {batch}, but the smallest training fold has {smallest} videos: "
            f"set it to at most {smallest}."
        )


def fit_folds(
    config: Config,
    directory: pathlib.Path,
    system: System,
    data: Data,
    inputs: Inputs,
    begin: float,
    *,
    tensorboard: bool = False,
) -> Outcome:
    """Fits and tests all replicas of all folds; goes on where an earlier call stopped.

    Args:
        config: a recipe.
        directory: of the run.
        system: of the config.
        data: samples and folds.
        inputs: `read_inputs` of these data.
        begin: the time at which the run began, by `time.perf_counter`.
        tensorboard: whether to write events for TensorBoard; not of retrainings under permuted labels.

    Returns:
        What they gave.
    """
    videos = len(data.samples)
    inputs = shuffled(inputs, config.data.shuffle, config.seed, copies=len(inputs.label) // videos)
    labels, subjects = np.asarray(inputs.label[:videos], int), dataset.list_subjects(data.samples)
    replicas = make_replicas(
        data.folds,
        labels,
        subjects,
        runs=config.cv.runs,
        validation_share=config.cv.validation_share,
        seed=config.seed,
    )
    relabelled = permutations.make(
        recipe.permutations(config),
        data.folds,
        labels,
        subjects,
        first_run=config.cv.runs,
        validation_share=config.cv.validation_share,
        seed=config.seed,
    )
    if relabelled:
        replicas = [permutations.with_labels(replica, labels) for replica in replicas]
    everything = [*replicas, *(replica for permuted in relabelled for replica in permuted.replicas)]
    trained = [with_mirrored(replica, videos) if len(inputs.label) > videos else replica for replica in everything]
    written = Events(directory, replicas, labels) if tensorboard and messages.first() else None
    with contextlib.closing(ProgressBar(everything, labels)) as bar:

        def report_epoch(progress: Progress) -> None:
            bar(progress)
            if written is not None:
                written(progress)

        history = system.fit(inputs, trained, directory / FITTED, on_epoch=report_epoch)
    steps, clips = system.epoch_work(trained)
    outcome = Outcome(
        name=config.name,
        note=recipe.note(config),
        names=[sample.name for sample in data.samples],
        subjects=subjects,
        subjects_known=all(sample.subject is not None for sample in data.samples),
        labels=labels,
        frames=np.asarray(inputs.length[:videos]),
        fps=[sample.fps for sample in data.samples],
        image_sizes=[sample.image_size for sample in data.samples],
        replicas=replicas,
        losses=history.losses[:, : len(replicas)],
        probabilities=history.probabilities[:, : len(replicas)],
        seconds=time.perf_counter() - begin,
        epoch_seconds=bar.epoch_seconds(),
        fold_steps=steps,
        clips=clips,
        environment=_environment(config, jax.local_devices()),
        chooses_threshold=checks.is_on(config, "threshold"),
        groups=subgroups.assign(data.samples, config.data.get("dir", "")),
        config=json.loads(json.dumps(config.to_dict())),
    )
    return dataclasses.replace(outcome, relabelled=_relabelled(outcome, relabelled, history))


def _relabelled(outcome: Outcome, relabelled: Sequence[Relabelled], history: History) -> list[Outcome]:
    """Returns the outcomes of the retrainings, whose replicas follow those of the outcome."""
    outcomes = []
    first = len(outcome.replicas)
    for permuted in relabelled:
        members = slice(first, first + len(permuted.replicas))
        outcomes.append(
            dataclasses.replace(
                outcome,
                labels=permuted.labels,
                replicas=permuted.replicas,
                losses=history.losses[:, members],
                probabilities=history.probabilities[:, members],
            )
        )
        first = members.stop
    return outcomes


def _environment(config: Config, devices: Sequence[jax.Device]) -> Environment:
    return Environment(
        platform=devices[0].platform,
        device_kind=devices[0].device_kind,
        devices=len(devices) * messages.size(),
        processes=messages.size(),
        model_dtype=config.model.get("dtype"),
        jax_enable_x64=bool(jax.config.read("jax_enable_x64")),
    )

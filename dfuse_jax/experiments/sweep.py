"""A sweep over settings: those that are traced are replicas of one compiled program, any other needs its own.

Settings are compared on the validation shares of the training folds. What a fold's choice is worth is read off its test
videos, which choose nothing.
"""

import contextlib
import json
import pathlib
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import jax
import numpy as np
from ml_collections import ConfigDict

from dfuse_jax import systems
from dfuse_jax.data.dataset import list_subjects
from dfuse_jax.evaluate.sweep import Trials
from dfuse_jax.experiments import crossval, recipe, space, workdir
from dfuse_jax.experiments.crossval import Data
from dfuse_jax.experiments.progress import ProgressBar
from dfuse_jax.experiments.recipe import Config
from dfuse_jax.experiments.replicas import make_replicas
from dfuse_jax.report import sweep as report
from dfuse_jax.report.formatting import count
from dfuse_jax.runtime import messages
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.systems import checks, neural
from dfuse_jax.systems.neural import Neural
from dfuse_jax.train import History, Inputs, Replica, Tuning


class Program(NamedTuple):
    """Settings that share a compiled program.

    Attributes:
        config: the recipe of one run, with the fields in which they agree.
        members: the numbers of the settings.
    """

    config: Config
    members: list[int]


class Plan(NamedTuple):
    """What a sweep trains.

    Attributes:
        axes: what is swept.
        settings: {name: value} each.
        seeds: with which each is trained.
        programs: into which they fall.
    """

    axes: list[space.Axis]
    settings: list[dict[str, Any]]
    seeds: list[int]
    programs: list[Program]


def plan(config: Config) -> Plan:
    """Returns what a recipe's sweep trains.

    Raises:
        UserError: a field cannot be, and names it; or the system takes no such settings.
    """
    if "sweep" not in config:
        raise UserError("config has no section sweep: it is the recipe of one run.", remedy="cv")
    checks.one_of(config, "sweep.search", space.SEARCHES)
    checks.within(config, "sweep", ("settings",), low=1)
    checks.within(config, "sweep", ("folds",), low=0, high=config.cv.folds)
    one_run = _one_run(config)
    recipe.check(one_run)
    if checks.is_on(config, "threshold"):
        raise UserError("config.options.threshold is True, but a sweep compares settings at 0.5: set it to False.")
    if not isinstance(systems.build(one_run), Neural):
        raise UserError(f"config.system is {config.system!r}, which trains no network: a sweep needs one that does.")
    known = space.fields(config.model)
    axes = space.parse(config.sweep.axes, known)
    settings = space.settings(axes, search=config.sweep.search, count=config.sweep.settings, seed=config.seed)
    for axis in axes:
        for value in axis.values or (axis.low, axis.high):
            variant = _variant(one_run, {axis.name: value}, known)
            recipe.check(variant)
            neural.check(variant)
    by_program: dict[str, Program] = {}
    for number, setting in enumerate(settings):
        own = {name: value for name, value in setting.items() if name not in space.TRACED}
        key = json.dumps(own, sort_keys=True)
        if key not in by_program:
            by_program[key] = Program(_variant(one_run, own, known), [])
            systems.build(by_program[key].config)
        by_program[key].members.append(number)
    return Plan(axes, settings, space.seeds(axes, config.seed), list(by_program.values()))


def describe(planned: Plan) -> str:
    """Returns how much is trained, in a line."""
    return (
        f"{count(len(planned.settings), 'setting')} x {count(len(planned.seeds), 'seed')}, in "
        f"{count(len(planned.programs), 'compiled program')}"
    )


def sweep(config: Config, directory: pathlib.Path) -> dict | None:
    """Trains all settings of a sweep, and writes the report; goes on where an earlier call stopped.

    Of several processes all train, each sees `directory`, and the first alone writes the report.

    Args:
        config: a recipe with the section `sweep`.
        directory: made if it is not there.

    Returns:
        What results.json holds; None if the sweep was finished already.

    Raises:
        UserError: bad config, bad data, a folder of another run, or processes that differ in these.
    """
    planned = plan(config)
    content = config.to_dict()
    messages.agree("config", workdir.flatten(content))
    with workdir.locked(directory):
        if messages.by_first(crossval.is_finished, directory, content):
            return None
        begin = time.perf_counter()
        data = _first_folds(crossval.read_data(_one_run(config)), config.sweep.folds)
        for program in planned.programs:
            crossval.check_batch(program.config, data.folds)
        messages.agree("data set", data.fingerprint)
        messages.by_first(crossval.claim, directory, content, data.fingerprint)  # only now: the config led to data
        trials = _train(config, directory, planned, data, begin)
        return messages.by_first(report.write, directory, trials)


def _one_run(config: Config) -> Config:
    return ConfigDict({key: value for key, value in config.to_dict().items() if key != "sweep"})


def _variant(config: Config, setting: Mapping[str, Any], known: Mapping[str, str]) -> Config:
    """Returns the recipe with a setting; raises UserError for a value of the wrong type."""
    variant: Config = ConfigDict(config.to_dict())
    for name, value in setting.items():
        try:
            variant.update_from_flattened_dict({known[name]: value})
        except (TypeError, ValueError) as error:
            raise UserError(
                f"config.sweep.axes.{name}: {value!r} is of another type than config.{known[name]}."
            ) from error
    return variant


def _first_folds(data: Data, count: int) -> Data:
    """Returns the data with the first folds alone; 0: with all."""
    return Data(data.samples, data.folds[:count] if count else data.folds)


def _train(config: Config, directory: pathlib.Path, planned: Plan, data: Data, begin: float) -> Trials:
    """Trains one program after another; returns what all trials gave, by setting, seed and fold."""
    videos, subjects = len(data.samples), list_subjects(data.samples)
    labels, folds = np.zeros(0, int), []
    per_setting = len(planned.seeds) * len(data.folds)
    history, epoch_seconds = None, []
    for number, program in enumerate(planned.programs, 1):
        if len(planned.programs) > 1:
            settings = count(len(program.members), "setting")
            messages.say(f"[{number}/{len(planned.programs)}] a compiled program of {settings}")
        system = systems.build(program.config)
        inputs = crossval.read_inputs(system, data, program.config)
        inputs = crossval.shuffled(inputs, config.data.shuffle, config.seed, copies=len(inputs.label) // videos)
        labels = np.asarray(inputs.label[:videos], int)  # the same in every program, as are the folds
        folds = _folds(config, data, labels, subjects)
        with contextlib.closing(ProgressBar(folds * (per_setting // len(folds) * len(program.members)), labels)) as bar:
            own = _fit(directory / f"programs/{number}", cast(Neural, system), planned, program, folds, inputs, bar)
        if history is None:
            epochs, _, evaluated = own.probabilities.shape
            history = History.empty(epochs, per_setting * len(planned.settings), evaluated)
        for position, member in enumerate(program.members):
            here = slice(member * per_setting, (member + 1) * per_setting)
            there = slice(position * per_setting, (position + 1) * per_setting)
            history.probabilities[:, here] = own.probabilities[:, there]
        epoch_seconds.append(bar.epoch_seconds())
        jax.clear_caches()  # what is compiled for one program serves no other
    return Trials(
        name=config.name,
        note=recipe.note(config),
        axes={axis.name: axis.scale for axis in planned.axes},
        settings=planned.settings,
        seeds=planned.seeds,
        programs=[program.members for program in planned.programs],
        folds=folds,
        labels=labels,
        subjects=subjects,
        subjects_known=all(sample.subject is not None for sample in data.samples),
        probabilities=cast(History, history).probabilities,
        seconds=time.perf_counter() - begin,
        epoch_seconds=None if None in epoch_seconds else float(sum(epoch_seconds)),
        config=json.loads(json.dumps(config.to_dict())),
    )


def _folds(config: Config, data: Data, labels: np.ndarray, subjects: Sequence[str]) -> list[Replica]:
    """Returns one replica with a validation share for each fold: all settings have the same."""
    replicas = make_replicas(
        data.folds, labels, subjects, validation_share=config.cv.validation_share, seed=config.seed
    )
    return [replica for replica in replicas if replica.validated]


def _fit(
    directory: pathlib.Path,
    system: Neural,
    planned: Plan,
    program: Program,
    folds: Sequence[Replica],
    inputs: Inputs,
    on_epoch: ProgressBar,
) -> History:
    """Trains the settings of a program, each with each seed on each fold, as replicas with settings of their own."""
    replicas: list[Replica] = []
    tunings: list[Tuning] = []
    for member in program.members:
        traced = {name: value for name, value in planned.settings[member].items() if name in space.TRACED}
        for seed in planned.seeds:
            replicas += folds
            tunings += [system.tuning._replace(**traced, seed=seed)] * len(folds)
    if checks.is_on(program.config, "mirrored"):
        replicas = [crossval.with_mirrored(replica, len(inputs.label) // 2) for replica in replicas]
    return system.fit(inputs, replicas, directory, on_epoch=on_epoch, tunings=tunings)

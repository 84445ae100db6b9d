"""Across databases: trains on one of them, or on all but one, and tests on the others; within each, cross-validates.

All trainings are replicas of one compiled program: the videos of all databases lie end to end, and a training is a
"fold" whose training and test videos may be of any database.
"""

import pathlib
import time
from collections.abc import Sequence

import numpy as np

from dfuse_jax import systems
from dfuse_jax.data.folds import Fold
from dfuse_jax.evaluate import matrix
from dfuse_jax.evaluate.matrix import Design
from dfuse_jax.experiments import crossval, databases, recipe, workdir
from dfuse_jax.experiments.crossval import Data
from dfuse_jax.experiments.databases import Database
from dfuse_jax.experiments.recipe import Config
from dfuse_jax.report import matrix as report
from dfuse_jax.runtime import messages
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.systems import checks

TRAIN_ON = ("one", "all_but_one")
HIGHEST_FPS = 1000


def check(config: Config) -> None:
    """Raises UserError for a value that cannot be, and names its field; the system checks its own sections."""
    if "databases" not in config:
        raise UserError("config has no databases: it is the recipe of one run.", remedy="cv")
    checks.one_of(config, "data.train_on", TRAIN_ON)
    checks.one_of(config, "data.distinct_subjects", (False, True))
    checks.within(config, "data", ("fps",), low=0, high=HIGHEST_FPS)
    databases.check(config)
    recipe.check_protocol(config)


def transfer(config: Config, directory: pathlib.Path) -> dict | None:
    """Trains and tests across all databases of a recipe, and writes the report; goes on where an earlier call stopped.

    Of several processes all train, each sees `directory`, and the first alone writes the report.

    Args:
        config: a recipe with `databases`.
        directory: made if it is not there.

    Returns:
        What results.json holds; None if the run was finished already.

    Raises:
        UserError: bad config, bad data, a folder of another run, or processes that differ in these.
    """
    check(config)
    system = systems.build(config)
    content = config.to_dict()
    messages.agree("config", workdir.flatten(content))
    with workdir.locked(directory):
        if messages.by_first(crossval.is_finished, directory, content):
            return None
        begin = time.perf_counter()
        members, left_out = databases.read(config, messages.say)
        data, design = arrange(members, train_on=config.data.train_on)
        crossval.check_batch(config, data.folds)
        messages.agree("data set", data.fingerprint)
        messages.by_first(crossval.claim, directory, content, data.fingerprint)  # only now: the config led to data
        inputs = crossval.read_inputs(system, data, config)
        outcome = crossval.fit_folds(config, directory, system, data, inputs, begin)
        results = messages.by_first(matrix.compute, outcome, design)
        results["left_out"] = left_out
        messages.by_first(report.write, directory, results, outcome, design)
        return results


def arrange(members: Sequence[Database], *, train_on: str) -> tuple[Data, Design]:
    """Returns the videos of all databases with the trainings as folds, and which cell of the table each belongs to.

    Args:
        members: the databases.
        train_on: "one" of them, or "all_but_one".
    """
    samples = [sample for database in members for sample in database.samples]
    sizes = [len(database.samples) for database in members]
    of_video = np.repeat(np.arange(len(members)), sizes)
    names = [database.name for database in members]
    folds: list[Fold] = []
    row_of_fold: list[int] = []
    for number, database in enumerate(members):
        first = sum(sizes[:number])
        folds += [Fold(train=fold.train + first, test=fold.test + first) for fold in database.folds]
        row_of_fold += [number if train_on == "one" else 0] * len(database.folds)
    for number in range(len(members)):
        inside, outside = np.flatnonzero(of_video == number), np.flatnonzero(of_video != number)
        alone = train_on == "one"
        folds.append(Fold(train=inside, test=outside) if alone else Fold(train=outside, test=inside))
        row_of_fold.append(number if alone else 1)
    design = Design(
        rows=names if train_on == "one" else ["itself", "all others"],
        columns=names,
        column_of_video=of_video,
        row_of_fold=row_of_fold,
        sources=[database.source for database in members],
        subjects_known=[all(sample.subject is not None for sample in database.samples) for database in members],
        fps=[database.fps for database in members],
    )
    return Data(samples, folds), design

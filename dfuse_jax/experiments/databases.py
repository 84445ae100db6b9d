"""Several databases at once: which of them are there, and that no person is in two of them."""

import dataclasses
import itertools
import pathlib
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from dfuse_jax.data import load, rate, synthetic
from dfuse_jax.data.dataset import Dataset, describe, list_labels, list_subjects
from dfuse_jax.data.file_names import escaped
from dfuse_jax.data.folds import Fold, make_folds
from dfuse_jax.data.load import SOURCES
from dfuse_jax.experiments.recipe import Config
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.samples import Sample
from dfuse_jax.systems import checks

MOST_NAMED = 5


class Database(NamedTuple):
    """A database that is there.

    Attributes:
        name: as in `config.databases`.
        source: what it is read as.
        samples: its videos; names and subjects begin with the database's name.
        folds: of the cross-validation within it.
        fps: the lowest and the highest frame rate of its videos, before they are brought to another.
    """

    name: str
    source: str
    samples: list[Sample]
    folds: list[Fold]
    fps: tuple[float, float]


def check(config: Config) -> None:
    """Raises UserError for a field of `config.databases` that cannot be."""
    if not config.databases:
        raise UserError("config.databases is empty; it must name two databases at least.")
    for name in config.databases:
        checks.one_of(config, f"databases.{name}.source", SOURCES)
        if config.databases[name].source == "synthetic":
            checks.within(config, f"databases.{name}", ("videos", "subjects"), low=2)
            checks.within(config, f"databases.{name}", ("amplitude",), low=0.01)


def read(config: Config, say: Callable[[str], None]) -> tuple[list[Database], list[str]]:
    """Reads or makes the databases of a recipe.

    Args:
        config: a checked recipe with `databases`.
        say: is called with lines that describe them, and the lines on those that are missing.

    Returns:
        The databases that are there, and a sentence on each that is missing.

    Raises:
        UserError: fewer than two are there, one cannot be used, or two have videos or subjects in common.
    """
    present = {name: database for name, database in config.databases.items() if not _missing(database)}
    left_out = [_lacks(name, config.databases[name]) for name in config.databases if name not in present]
    for line in left_out:
        say(line)
    if len(present) < 2:
        raise UserError(
            f"{len(present)} of the {len(config.databases)} databases in config.databases can be found, and a transfer "
            f"needs two: set config.databases.NAME.dir. {' '.join(left_out)}"
        )
    datasets = {name: _load(name, database, seed=config.seed) for name, database in present.items()}
    _check_chips(config, datasets)
    _check_disjoint(config, datasets)
    databases = []
    for name, dataset in datasets.items():
        folds = dataset.folds or _make_folds(name, dataset.samples, config.cv.folds, seed=config.seed)
        for line in (*describe(dataset.samples, folds).splitlines(), *dataset.notes):
            say(escaped(f"{name}: {line}"))
        rates = [sample.fps for sample in dataset.samples]
        databases.append(
            Database(
                name=name,
                source=present[name].source,
                samples=[_prepared(name, sample, config.data.fps) for sample in dataset.samples],
                folds=folds,
                fps=(min(rates), max(rates)),
            )
        )
    return databases, left_out


def _missing(database: Config) -> bool:
    if database.source == "synthetic":
        return False
    try:
        return not database.dir or not pathlib.Path(database.dir).expanduser().is_dir()
    except RuntimeError:  # the home of an unknown user
        return True


def _lacks(name: str, database: Config) -> str:
    reason = f"there is no folder {database.dir!r}" if database.dir else f"config.databases.{name}.dir is empty"
    return f"{name} is left out: {reason}."


def _load(name: str, database: Config, *, seed: int) -> Dataset:
    """Reads or makes a database with both classes.

    Raises:
        UserError: its files are invalid, or all its videos are of one class.
    """
    if database.source == "synthetic":
        dataset = Dataset(_generate(name, database, seed=seed), [])
    else:
        dataset = load.load_dataset(database.dir, database.source)
    labels = list_labels(dataset.samples)
    if len(set(labels)) < 2:
        kind = "spontaneous" if 1 in labels else "posed"
        raise UserError(
            f"{name}: all {len(labels)} videos are {kind}, and a database that trains and tests needs both classes. "
            f"Leave it out of config.databases, or add {'posed' if kind == 'spontaneous' else 'spontaneous'} smiles "
            "to it."
        )
    return dataset


def _generate(name: str, database: Config, *, seed: int) -> list[Sample]:
    """Makes a synthetic database, whose classes may be filmed by two cameras.

    Its people depend on its name, so that two databases have none in common.
    """
    own_seed = zlib.crc32(f"{seed} {name}".encode())
    samples = []
    for label, fps, image_size in zip((1, 0), database.fps, database.image_sizes, strict=True):
        of_both = synthetic.generate(
            database.videos,
            database.subjects,
            seed=own_seed,
            fps=(float(fps),),
            image_sizes=(tuple(image_size),),
            eye_distance=tuple(database.eye_distance),
            amplitude=database.amplitude,
        )
        samples += [sample for sample in of_both if sample.label == label]
    return sorted(samples, key=lambda sample: sample.name)


def _make_folds(name: str, samples: Sequence[Sample], count: int, *, seed: int) -> list[Fold]:
    try:
        return make_folds(list_labels(samples), list_subjects(samples), count, seed=seed)
    except UserError as error:
        raise UserError(f"{name}: {error}", remedy=error.remedy) from error


def _check_chips(config: Config, datasets: Mapping[str, Dataset]) -> None:
    """Raises UserError if the system sees pictures of the face and a database has none."""
    if not config.data.get("chips", False):
        return
    for name, dataset in datasets.items():
        without = [sample.name for sample in dataset.samples if sample.chip_source is None]
        if without:
            raise UserError(
                f"{name}: {len(without)} of {len(dataset.samples)} samples, first {without[0]}, have no pictures of "
                "the face (chips), which this system sees.",
                remedy="chips",
            )


def _check_disjoint(config: Config, datasets: Mapping[str, Dataset]) -> None:
    """Raises UserError if two databases have videos in common, or subjects as far as their names tell."""
    for one, other in itertools.combinations(datasets, 2):
        shared = sorted(_contents(datasets[one]).keys() & _contents(datasets[other]).keys())
        if shared:
            name = _contents(datasets[one])[shared[0]]
            raise UserError(
                f"{one} and {other} have {len(shared)} videos in common, first {name}: a model would be tested on "
                "what trained it. Leave one of the two out of config.databases."
            )
        sources = {config.databases[one].source, config.databases[other].source}
        # Names tell nothing between two of the published databases, nor of people who were made up.
        if config.data.distinct_subjects or "synthetic" in sources or (len(sources) == 2 and "folder" not in sources):
            continue
        people = sorted(_subjects(datasets[one]) & _subjects(datasets[other]))
        if people:
            raise UserError(
                f"{one} and {other} share {len(people)} subjects ({_listed(people)}): a model would be tested on "
                "people who trained it. Leave one of the two out of config.databases, or put both into one folder. If "
                "these are other people of the same names, set config.data.distinct_subjects=True."
            )


def _contents(dataset: Dataset) -> dict[int, str]:
    """Returns the videos' names by a checksum of their landmarks."""
    return {zlib.crc32(sample.landmarks.tobytes()): sample.name for sample in dataset.samples}


def _subjects(dataset: Dataset) -> set[str]:
    return {sample.subject for sample in dataset.samples if sample.subject is not None}


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def _prepared(name: str, sample: Sample, fps: float) -> Sample:
    """Returns the sample under names that no other database has, at the common frame rate if there is one."""
    subject = None if sample.subject is None else f"{name}/{sample.subject}"
    sample = dataclasses.replace(sample, name=f"{name}/{sample.name}", subject=subject)
    return rate.resample(sample, fps) if fps else sample

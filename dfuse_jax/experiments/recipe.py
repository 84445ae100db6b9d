"""What all recipes share: where their data come from, a check of their fields, and what a reader must know of them.

A recipe is a config in configs/; its numbers stand there.
"""

import runpy
from collections.abc import Sequence
from typing import Any, TypeAlias

from dfuse_jax.data.databases import DATABASES
from dfuse_jax.data.load import SOURCES
from dfuse_jax.runtime import recipes
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.systems import checks

Config: TypeAlias = Any  # a ConfigDict of ml_collections, whose fields have no types
SHUFFLES = ("nothing", "dmarkers", "labels")
FOLDER = "folder"
FOLDS_OF_A_FOLDER = 10


def split(argument: str | None, options: Sequence[str] = ()) -> tuple[str, str | None]:
    """Returns the database and the option of a recipe's argument, such as "mmi,authors"; without one, the demo.

    Args:
        argument: what follows the recipe's name.
        options: that the recipe has.

    Raises:
        UserError: it has no such option.
    """
    database, comma, option = (argument or "demo").partition(",")
    if comma and option not in options:
        raise UserError(f"unknown option {option!r} of a recipe; known: {', '.join(options) or 'none'}.")
    return database or "demo", option or None


def source(database: str) -> str:
    """Returns what `config.data.source` is for a database, or for a "folder" of one's own samples.

    Raises:
        UserError: an unknown database.
    """
    if database not in (*DATABASES, FOLDER):
        raise UserError(f"unknown database {database!r}; known: {', '.join(DATABASES)}, {FOLDER}, or demo.")
    return database


def folds(database: str) -> int:
    """Returns the folds of a database's published protocol; of a "folder", 10."""
    return FOLDS_OF_A_FOLDER if source(database) == FOLDER else DATABASES[database].folds


def dmarkers(database: str) -> dict[str, str]:
    """Returns how D-Markers are computed: the paper's way for its databases, `robust` for one's own videos.

    The paper's phases and sets hang on jitter, so its signals are smoothed; `robust` smooths by itself.
    """
    if source(database) == FOLDER:
        return {"definition": "robust", "smoothing": ""}
    return {"definition": "paper", "smoothing": "4253H"}


def read(name: str, argument: str | None = None) -> Config:
    """Returns the config of a recipe of this package, such as "hadamard" for "mmi"."""
    return runpy.run_path(str(recipes.folder() / f"{name}.py"))["get_config"](argument)


def note(config: Config) -> str:
    """Returns what a reader must know of a run before its numbers: the recipe's own note, and what the data are."""
    notes = [config.note]
    sources = _sources(config)
    if "synthetic" in sources:
        notes.append("Its smiles are synthetic: its accuracy says nothing about people.")
    if "mmi" in sources:
        notes.append("MMI filmed the two classes at different frame rates and sizes, and its names tell no subjects.")
    if config.data.shuffle != "nothing":
        notes.append(f"A control: the {config.data.shuffle} are dealt out to other videos.")
    return " ".join(notes)


def permutations(config: Config) -> int:
    """Returns how many times a recipe trains anew on permuted labels."""
    return config.get("report", {}).get("permutations", 0)


def _sources(config: Config) -> set[str]:
    """Returns where the videos of a recipe come from."""
    if "databases" in config:
        return {database.source for database in config.databases.values()}
    return {config.data.source}


def check(config: Config) -> None:
    """Raises UserError for a value that cannot be, and names its field; the system checks its own sections."""
    if "fusions" in config or "systems" in config:
        raise UserError("config is the recipe of a comparison, not of one run.", remedy="benchmark")
    if "databases" in config:
        raise UserError("config is the recipe of a transfer between databases, not of one run.", remedy="crossdb")
    if "sweep" in config:
        raise UserError("config is the recipe of a sweep, not of one run.", remedy="sweep")
    checks.one_of(config, "data.source", SOURCES)
    if config.data.source == "synthetic":
        checks.within(config, "data", ("videos", "subjects"), low=2)
    check_protocol(config)


def check_protocol(config: Config) -> None:
    """Raises UserError for a field that cannot be, of those that all recipes share but the source of the data."""
    checks.one_of(config, "data.shuffle", SHUFFLES)
    if not 0 <= config.seed < 2**32:
        raise UserError(f"config.seed is {config.seed}; it must be from 0 to {2**32 - 1}.")
    checks.within(config, "cv", ("folds",), low=2)
    checks.within(config, "cv", ("runs",), low=1)
    checks.within(config, "cv", ("validation_share",), low=0.01, high=0.5)
    if "report" in config:
        checks.within(config, "report", ("permutations",), low=0)
    for name in config.get("options", {}):
        checks.one_of(config, f"options.{name}", (False, True))

"""Recipes: every number of a cross-validation in one config, the paper's and the demo's, and a check of them."""

import math

from ml_collections import ConfigDict

from dfuse_jax.data.databases import DATABASES
from dfuse_jax.data.load import SOURCES
from dfuse_jax.models.dfusesmilenet import VARIANTS
from dfuse_jax.models.fusion import FUSIONS
from dfuse_jax.runtime.errors import UserError

SHUFFLES = ("nothing", "dmarkers", "labels")


def paper(fusion: str, database: str) -> ConfigDict:
    """The paper's recipe (section 4.1): full-size model, that database's folds; of a "folder", 10 folds."""
    folds = DATABASES[database].folds if database in DATABASES else 10
    return ConfigDict(
        {
            "name": f"{fusion}-{database}",
            "note": "The paper's recipe.",
            "seed": 0,
            "data": {
                "source": database,
                "dir": "",  # of the database's landmarks and folds, or of a folder of samples
                "shuffle": "nothing",  # a control: "dmarkers" or "labels" are dealt out to other videos
            },
            "cv": {"folds": folds, "runs": 10, "validation_share": 0.1},
            "dmarkers": {"definition": "paper", "smoothing": "4253H"},
            "model": {
                "fusion": fusion,
                "variant": "paper",
                "points": 478,
                "neighbours": 20,
                "entry": 32,
                "blocks": ((32, 2), (64, 4), (128, 2), (256, 4)),
                "curves": 100,
                "steps": 5,
                "tokens": 32,
                "depth": 6,
                "time_depth": 3,
                "heads": 4,
                "head_width": 64,
                "mlp": 512,
                "dropout": 0.1,
                "dtype": "float32",  # or "bfloat16", with statistics and parameters in float32
            },
            "train": {
                "epochs": 300,
                "batch_size": 16,
                "learning_rate": 5e-4,
                "last_epoch_factor": 0.1,
                "weight_decay": 0.0,
                "clip_frames": 16,
                "eval_windows": 5,
                "checkpoint_every": 10,
                "replicas_per_pass": 0,  # how many replicas train at once, on all devices; 0: as many as fit
            },
        }
    )


def demo(fusion: str) -> ConfigDict:
    """The same on embedded data at a size that 2 CPU cores train in minutes: its numbers say nothing about people."""
    config = paper(fusion, "bbc")
    config.name = f"{fusion}-demo"
    config.note = "A demo: few videos, a small model, few epochs."
    config.data.update(source="synthetic", videos=80, subjects=40)
    config.cv.update(folds=5, runs=1, validation_share=0.25)
    config.model.update(points=48, neighbours=6, entry=16, blocks=((16, 2), (32, 2)), curves=8, steps=2, tokens=4)
    config.model.update(depth=2, time_depth=1, heads=2, head_width=16, mlp=64)
    config.train.update(epochs=20, learning_rate=2e-3, checkpoint_every=5)
    return config


def get(fusion: str, database: str | None = None) -> ConfigDict:
    """The recipe of a fusion: for a database, a folder of one's own samples ("folder"), or the demo.

    Raises:
        UserError: an unknown database.
    """
    if database in (None, "", "demo"):
        return demo(fusion)
    if database not in (*DATABASES, "folder"):
        raise UserError(f"unknown database {database!r}; known: {', '.join(DATABASES)}, folder, or demo.")
    return paper(fusion, database)


def benchmark(database: str | None = None) -> ConfigDict:
    """The recipe that the fusions in its `fusions` share: for a database, or a demo that 2 CPU cores do 17 times.

    Raises:
        UserError: an unknown database.
    """
    config = get("none", database)
    config.name = f"benchmark-{database or 'demo'}"
    if config.data.source == "synthetic":  # compiling takes most of the time: fewer layers, then more and smaller steps
        config.model.update(points=32, blocks=((16, 2),), depth=1, time_depth=0)
        config.train.update(epochs=15, batch_size=8, eval_windows=2, learning_rate=5e-3)
    del config.model["fusion"]
    config.fusions = tuple(FUSIONS)
    return config


def note(config: ConfigDict) -> str:
    """What a reader must know of a run before its numbers: the recipe's own note, and what the data are."""
    notes = [config.note]
    if config.data.source == "synthetic":
        notes.append("Its smiles are synthetic: its accuracy says nothing about people.")
    if config.data.source == "mmi":
        notes.append("MMI filmed the two classes at different frame rates and sizes, and its names tell no subjects.")
    if config.data.shuffle != "nothing":
        notes.append(f"A control: the {config.data.shuffle} are dealt out to other videos.")
    return " ".join(notes)


def _known(config: ConfigDict, field: str, known: tuple) -> None:
    section, name = field.split(".")
    if (value := config[section][name]) not in known:
        raise UserError(f"config.{field} is {value!r}; it must be one of {', '.join(map(str, known))}.")


def _range(config: ConfigDict, section: str, names: str, low: float, high: float = float("inf")) -> None:
    for name in names.split():
        value = config[section][name]
        if not low <= value <= high or math.isinf(value):
            limits = f"at least {low}" if high == float("inf") else f"from {low} to {high}"
            raise UserError(f"config.{section}.{name} is {value}; it must be {limits}.")


def check(config: ConfigDict) -> None:
    """Raises UserError for a value that cannot be, and names its field."""
    if "fusion" not in config.model:
        raise UserError("--config is the recipe of a benchmark, not of one fusion; launch/benchmark.py runs it.")
    _known(config, "data.source", SOURCES)
    _known(config, "data.shuffle", SHUFFLES)
    _known(config, "dmarkers.definition", ("paper", "authors"))
    _known(config, "dmarkers.smoothing", (None, "", "4253H"))
    _known(config, "model.fusion", tuple(FUSIONS))
    _known(config, "model.variant", VARIANTS)
    if config.data.source == "synthetic":
        _range(config, "data", "videos subjects", 2)
    if not 0 <= config.seed < 2**32:
        raise UserError(f"config.seed is {config.seed}; it must be from 0 to {2**32 - 1}.")
    _range(config, "cv", "folds", 2)
    _range(config, "cv", "runs", 1)
    _range(config, "cv", "validation_share", 0.01, 0.5)
    _range(config, "model", "neighbours entry curves steps tokens heads head_width mlp", 1)
    _range(config, "model", "depth time_depth", 0)
    _range(config, "model", "points", max(config.model.neighbours + 1, config.model.curves), 478)
    _range(config, "model", "dropout", 0, 0.99)
    _known(config, "model.dtype", ("float32", "bfloat16"))
    _check_blocks(config.model.entry, config.model.blocks)
    _range(config, "train", "epochs batch_size clip_frames eval_windows checkpoint_every", 1)
    _range(config, "train", "learning_rate last_epoch_factor weight_decay replicas_per_pass", 0)


def _check_blocks(entry: int, blocks: tuple | list) -> None:
    some = (tuple, list)  # lists where the config has been through JSON
    pairs = isinstance(blocks, some) and all(isinstance(block, some) and len(block) == 2 for block in blocks)
    if not (pairs and blocks and all(isinstance(n, int) and n >= 1 for block in blocks for n in block)):
        raise UserError(
            f"config.model.blocks is {blocks}; it must be (features, bottleneck) pairs, as ((16,2),(32,2))."
        )
    widths = [entry, *(features for features, _ in blocks)]
    for width, (_, bottleneck) in zip(widths, blocks, strict=False):
        if width % bottleneck or width // bottleneck < 2:
            raise UserError(f"config.model.blocks: a block's input of width {width} has no bottleneck of {bottleneck}.")

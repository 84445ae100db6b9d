"""Recipes: every number of a cross-validation in one config, the paper's and the demo's, and a check of them."""

from ml_collections import ConfigDict

from dfuse_jax.data.readers import DATABASES
from dfuse_jax.errors import UserError
from dfuse_jax.models.dfusesmilenet import VARIANTS
from dfuse_jax.models.fusion import FUSIONS

SHUFFLES = ("nothing", "dmarkers", "labels")


def paper(fusion: str, database: str) -> ConfigDict:
    """The paper's recipe (section 4.1): full-size model, that database's folds."""
    return ConfigDict(
        {
            "name": f"{fusion}-{database}",
            "note": f"The paper's recipe on {database}.",
            "seed": 0,
            "data": {
                "source": database,
                "dir": "",  # of the database's landmarks and folds
                "shuffle": "nothing",  # a control: "dmarkers" or "labels" are dealt out to other videos
            },
            "cv": {"folds": DATABASES[database].folds, "runs": 10, "validation_share": 0.1},
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
            },
        }
    )


def demo(fusion: str) -> ConfigDict:
    """The same on embedded data at a size that 2 CPU cores train in minutes: its numbers say nothing about people."""
    config = paper(fusion, "bbc")
    config.name = f"{fusion}-demo"
    config.note = "A demo: 80 synthetic smiles, a small model, few epochs. Its accuracy says nothing about people."
    config.data.update(source="synthetic", videos=80, subjects=40)
    config.cv.update(folds=5, runs=1, validation_share=0.25)
    config.model.update(points=48, neighbours=6, entry=16, blocks=((16, 2), (32, 2)), curves=8, steps=2, tokens=4)
    config.model.update(depth=2, time_depth=1, heads=2, head_width=16, mlp=64)
    config.train.update(epochs=20, learning_rate=2e-3, checkpoint_every=5)
    return config


def get(fusion: str, database: str | None = None) -> ConfigDict:
    """The recipe of a fusion: for a database, or the demo.

    Raises:
        UserError: an unknown database.
    """
    if database in (None, "", "demo"):
        return demo(fusion)
    if database not in DATABASES:
        raise UserError(f"unknown database {database!r}; known: {', '.join(DATABASES)}, or demo.")
    return paper(fusion, database)


def _known(config: ConfigDict, field: str, known: tuple) -> None:
    section, name = field.split(".")
    if (value := config[section][name]) not in known:
        raise UserError(f"config.{field} is {value!r}; it must be one of {', '.join(map(str, known))}.")


def _range(config: ConfigDict, section: str, names: str, low: float, high: float = float("inf")) -> None:
    for name in names.split():
        value = config[section][name]
        if not low <= value <= high:
            limits = f"at least {low}" if high == float("inf") else f"from {low} to {high}"
            raise UserError(f"config.{section}.{name} is {value}; it must be {limits}.")


def check(config: ConfigDict) -> None:
    """Raises UserError for a value that cannot be, and names its field."""
    _known(config, "data.source", ("synthetic", *DATABASES))
    _known(config, "data.shuffle", SHUFFLES)
    _known(config, "dmarkers.definition", ("paper", "authors"))
    _known(config, "dmarkers.smoothing", (None, "", "4253H"))
    _known(config, "model.fusion", tuple(FUSIONS))
    _known(config, "model.variant", VARIANTS)
    if config.data.source == "synthetic":
        _range(config, "data", "videos subjects", 2)
    _range(config, "cv", "folds", 2)
    _range(config, "cv", "runs", 1)
    _range(config, "cv", "validation_share", 0.01, 0.5)
    _range(config, "model", "neighbours entry curves steps tokens heads head_width mlp", 1)
    _range(config, "model", "depth time_depth", 0)
    _range(config, "model", "points", max(config.model.neighbours + 1, config.model.curves), 478)
    _range(config, "model", "dropout", 0, 0.99)
    if not all(len(block) == 2 and min(block) >= 1 for block in config.model.blocks) or not config.model.blocks:
        raise UserError(f"config.model.blocks is {config.model.blocks}; it must be (features, bottleneck) pairs.")
    widths = [config.model.entry, *(features for features, _ in config.model.blocks)]
    for width, (_, bottleneck) in zip(widths, config.model.blocks, strict=False):
        if width % bottleneck or width // bottleneck < 2:
            raise UserError(f"config.model.blocks: a block's input of width {width} has no bottleneck of {bottleneck}.")
    _range(config, "train", "epochs batch_size clip_frames eval_windows checkpoint_every", 1)
    _range(config, "train", "learning_rate last_epoch_factor weight_decay", 0)

"""The systems of the paper's Table 5 over the same folds, seeds and data.

On bundled synthetic data, at small sizes: seconds on 2 CPU cores for a hand-crafted system, minutes for a network:

    dfuse-benchmark --config table5

The full sizes on a database (uva_nemo, mmi, spos, bbc), beside the paper's values; some systems; any field of a recipe:

    dfuse-benchmark --config table5:bbc --config.data.dir=DIR \
        --config.systems=cohn04,deepmarkernet --config.recipes.cohn04.model.side=right

Each system's fields are those of its own recipe, such as configs/cohn04.py. Systems that see pictures of the face are
compared when they are named; they need data made with --chips: pfister11, wu14, wu17, mandal17, mandal16, realsmilenet
and frame_vit. On synthetic data all their pictures are drawn first, which takes a minute or two for each.
"""

from ml_collections import ConfigDict

from dfuse_jax.experiments import recipe, table5

# What a recipe says for itself, and the comparison for all.
SHARED = ("name", "note", "seed", "data", "cv", "options", "report")
ENCODER = {
    "model.points": 32,
    "model.neighbours": 6,
    "model.blocks": ((16, 2),),
    "model.steps": 2,
    "model.depth": 1,
    "model.time_depth": 0,
    "train.epochs": 12,
    "train.batch_size": 8,
    "train.eval_windows": 2,
    "train.learning_rate": 5e-3,
}
# Beyond their own demos, these are made smaller.
SMALLER = {"meshsmilenet": ENCODER, "deepmarkernet": ENCODER, "hadamard": ENCODER}


def get_config(database: str | None = None) -> ConfigDict:
    """Returns the comparison for "uva_nemo", "mmi", "spos", "bbc" or a "folder"; without one, the demo."""
    return demo() if database in (None, "", "demo") else full(database)


def full(database: str) -> ConfigDict:
    """Returns the systems at full size on the database's folds."""
    return ConfigDict(
        {
            "name": f"table5-{database}",
            "note": "Every system by its own recipe.",
            # Those that need landmarks alone; any of all: --config.systems=cohn04,pstnet,realsmilenet
            "systems": tuple(name for name, row in table5.ROWS.items() if row.input == "landmarks"),
            "seed": 0,
            "data": {
                "source": recipe.source(database),
                "dir": "",  # of the database's landmarks and folds, or of a folder of samples
                "shuffle": "nothing",  # a control: "labels" are dealt out to other videos
            },
            "cv": {"folds": recipe.folds(database), "runs": 10, "validation_share": 0.1},
            # All off: classes that count alike, a threshold that validation videos choose, mirrored videos in training.
            "options": {"class_weights": False, "threshold": False, "mirrored": False},
            "report": {"permutations": 0},  # how often all is trained anew on labels that have changed places
            "recipes": _recipes(database),
        }
    )


def demo() -> ConfigDict:
    """Returns the systems at small sizes on bundled synthetic data."""
    config = full("bbc")
    config.name = "table5-demo"
    config.note = "A demo: few videos, small models, few epochs."
    config.data.update(source="synthetic", videos=80, subjects=40)
    config.cv.update(folds=5, runs=1, validation_share=0.25)
    config.recipes = _recipes("demo")
    for name, fields in SMALLER.items():
        config.recipes[name].update_from_flattened_dict(fields)
    return config


def _recipes(database: str) -> dict:
    """Returns the recipe of each system, less what all share."""
    recipes = {name: recipe.read(name, database).to_dict() for name in table5.ROWS}
    return {name: {key: value for key, value in own.items() if key not in SHARED} for name, own in recipes.items()}

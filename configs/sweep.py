"""Hadamard fusion under many settings at once, of which validation videos choose one.

A demo on bundled synthetic data, 32 settings in minutes on 2 CPU cores:

    dfuse-sweep --config sweep

A database (uva_nemo, mmi, spos, bbc) whose landmarks and folds lie in DIR, a folder of one's own smiles, other axes:

    dfuse-sweep --config sweep:bbc --config.data.dir=DIR --config.sweep.search=grid \
        --config.sweep.axes.learning_rate='log(1e-4, 1e-2, 5)' --config.sweep.axes.dropout='0.0, 0.1, 0.3' \
        --config.sweep.axes.weight_decay='' --config.sweep.axes.seed='0, 1, 2'
"""

from ml_collections import ConfigDict

from dfuse_jax.experiments import recipe


def get_config(database: str | None = None) -> ConfigDict:
    """Returns the sweep for "uva_nemo", "mmi", "spos", "bbc" or a "folder"; without one, the demo."""
    return demo() if database in (None, "", "demo") else paper(database)


def paper(database: str) -> ConfigDict:
    """Returns a sweep from the paper's recipe (section 4.1) on: the full-size model and the database's folds."""
    return ConfigDict(
        {
            "name": f"sweep-{database}",
            "note": "A sweep from the paper's recipe on.",
            "system": "dfusesmilenet",
            "seed": 0,  # of data, folds and draws; of the trainings if no seeds are swept
            "sweep": {
                "search": "random",  # or "grid"
                "settings": 32,  # that are drawn at random
                "folds": 3,  # that are trained, the first ones; 0: all
                # A range, log(low, high) or uniform(low, high), with a number of points for a grid; or values. Empty:
                # not swept. Further fields of `model` may be added here.
                "axes": {
                    # Replicas of one compiled program:
                    "learning_rate": "log(1e-4, 1e-2)",
                    "weight_decay": "log(1e-5, 1e-1)",
                    "dropout": "uniform(0, 0.5)",
                    "last_epoch_factor": "0.1, 1.0",
                    "seed": "",  # such as "0, 1, 2": each setting is trained with each
                    # A compiled program for each combination:
                    "depth": "",
                    "head_width": "",
                    "mlp": "",
                    "points": "",
                    "blocks": "",  # such as "((16, 2),), ((16, 2), (32, 2))"
                    "clip_frames": "",
                },
            },
            "data": {
                "source": recipe.source(database),
                "dir": "",  # of the database's landmarks and folds, or of a folder of samples
                "shuffle": "nothing",  # a control: "dmarkers" or "labels" are dealt out to other videos
            },
            "cv": {"folds": recipe.folds(database), "runs": 1, "validation_share": 0.1},
            # All off: classes that count alike, a threshold that validation videos choose, mirrored videos in training.
            "options": {"class_weights": False, "threshold": False, "mirrored": False},
            "dmarkers": recipe.dmarkers(database),
            "model": {
                "fusion": "hadamard",
                "variant": "paper",  # or "authors", for what the published code does where the two differ
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
                "kernels": "auto",  # "plain", "fused" (for GPUs), or what is faster when the run starts
            },
            "train": {
                "epochs": 300,
                "batch_size": 16,
                "optimizer": {"name": "adamw"},
                "learning_rate": 5e-4,
                "last_epoch_factor": 0.1,
                "weight_decay": 0.0,
                "clip_frames": 16,
                "clip_coordinates": "image",  # as the paper; "face" or "motion" learn faster
                "eval_windows": 5,
                "checkpoint_every": 10,
                "replicas_per_pass": 0,  # how many replicas train at once, on all devices; 0: as many as fit
            },
        }
    )


def demo() -> ConfigDict:
    """Returns the recipe on bundled synthetic data, at a size at which 2 CPU cores try 32 settings in minutes."""
    config = paper("bbc")
    config.name = "sweep-demo"
    config.note = "A demo: few videos, a small model, few epochs."
    config.dmarkers.update(definition="robust", smoothing="")
    config.data.update(source="synthetic", videos=80, subjects=40)
    config.cv.update(folds=5, validation_share=0.25)
    config.sweep.folds = 2
    config.model.update(points=32, neighbours=6, entry=16, blocks=((16, 2),), curves=8, steps=2, tokens=4)
    config.model.update(depth=1, time_depth=0, heads=2, head_width=16, mlp=64)
    config.train.update(epochs=12, batch_size=8, eval_windows=2, checkpoint_every=3)
    return config

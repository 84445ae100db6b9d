"""A vanilla vision transformer whose tokens are frames of landmarks.

A demo on bundled synthetic data, minutes on 2 CPU cores; a database (uva_nemo, mmi, spos, bbc) whose landmarks and
folds lie in DIR; or a folder of one's own smiles:

    dfuse-cv --config landmark_vit[:uva_nemo|mmi|spos|bbc|folder] [--config.data.dir=DIR]

The paper's Table 5, whose protocol is the report's `peeked`: UvA-NEMO 78.4, MMI 99.0, SPOS 93.5, BBC 95.0 %.
How its network was fed is not known: this one, and its recipe, are our choice.
"""

from ml_collections import ConfigDict

from dfuse_jax.experiments import recipe


def get_config(database: str | None = None) -> ConfigDict:
    """Returns the recipe for "uva_nemo", "mmi", "spos", "bbc" or a "folder"; without one, the demo."""
    return demo() if database in (None, "", "demo") else full(database)


def full(database: str) -> ConfigDict:
    """Returns the full-size recipe on the database's folds."""
    return ConfigDict(
        {
            "name": f"landmark_vit-{database}",
            "note": "Network and recipe are our choice.",
            "system": "landmark_vit",
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
            "model": {
                "points": 478,
                "width": 256,
                "depth": 6,
                "heads": 4,
                "head_width": 64,
                "mlp": 512,
                "dropout": 0.1,
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
    """Returns the recipe on bundled synthetic data, at a size that 2 CPU cores train in minutes."""
    config = full("bbc")
    config.name = "landmark_vit-demo"
    config.note = "A demo: few videos, a small model, few epochs."
    config.data.update(source="synthetic", videos=80, subjects=40)
    config.cv.update(folds=5, runs=1, validation_share=0.25)
    config.model.update(points=48, width=32, depth=2, heads=2, head_width=16, mlp=64)
    config.train.update(epochs=40, learning_rate=2e-3, checkpoint_every=10)
    return config

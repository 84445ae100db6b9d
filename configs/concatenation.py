"""Concatenation, eq. 8: MLP([x; z]).

    dfuse-cv --config concatenation[:uva_nemo|mmi|spos|bbc] [--config.data.dir=DIR]

The paper's Table 4, whose protocol is the report's `peeked`: UvA-NEMO 87.9, MMI 99.7, SPOS 97.2, BBC 95.0 %.
"""

from ml_collections import ConfigDict

from dfuse_jax.experiments import recipe


def get_config(database: str | None = None) -> ConfigDict:
    """Returns the paper's recipe for "uva_nemo", "mmi", "spos", "bbc" or a "folder"; without one, the demo."""
    return demo() if database in (None, "", "demo") else paper(database)


def paper(database: str) -> ConfigDict:
    """Returns the paper's recipe (section 4.1): the full-size model and the database's folds."""
    return ConfigDict(
        {
            "name": f"concatenation-{database}",
            "note": "The paper's recipe.",
            "system": "dfusesmilenet",
            "seed": 0,
            "data": {
                "source": recipe.source(database),
                "dir": "",  # of the database's landmarks and folds, or of a folder of samples
                "shuffle": "nothing",  # a control: "dmarkers" or "labels" are dealt out to other videos
            },
            "cv": {"folds": recipe.folds(database), "runs": 10, "validation_share": 0.1},
            # All off: classes that count alike, a threshold that validation videos choose, mirrored videos in training.
            "options": {"class_weights": False, "threshold": False, "mirrored": False},
            "report": {"permutations": 0},  # how often all is trained anew on labels that have changed places
            "dmarkers": recipe.dmarkers(database),
            "model": {
                "fusion": "concatenation",
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
    """Returns the recipe on bundled synthetic data, at a size that 2 CPU cores train in minutes."""
    config = paper("bbc")
    config.name = "concatenation-demo"
    config.note = "A demo: few videos, a small model, few epochs."
    config.dmarkers.update(definition="robust", smoothing="")
    config.data.update(source="synthetic", videos=80, subjects=40)
    config.cv.update(folds=5, runs=1, validation_share=0.25)
    config.model.update(points=48, neighbours=6, entry=16, blocks=((16, 2), (32, 2)), curves=8, steps=2, tokens=4)
    config.model.update(depth=2, time_depth=1, heads=2, head_width=16, mlp=64)
    config.train.update(epochs=20, learning_rate=2e-3, checkpoint_every=5)
    return config

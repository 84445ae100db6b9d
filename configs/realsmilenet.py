"""RealSmileNet: every fifth picture of the face through a ConvLSTM.

A demo on bundled synthetic data, minutes on 2 CPU cores; a database (uva_nemo, mmi, spos, bbc) whose landmarks and
folds lie in DIR; or a folder of one's own smiles; both made with --chips, as the network sees pictures:

    dfuse-cv --config realsmilenet[:uva_nemo|mmi|spos|bbc|folder] [--config.data.dir=DIR]

The paper's Table 5, whose protocol is the report's `peeked`: UvA-NEMO 82.1, MMI 92.0, SPOS 86.2, BBC 90.0 %.
The network, its loss and its optimiser are as published; the number of epochs is our choice.
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
            "name": f"realsmilenet-{database}",
            "note": "The number of epochs is our choice.",
            "system": "realsmilenet",
            "seed": 0,
            "data": {
                "source": recipe.source(database),
                "dir": "",  # of the database's landmarks, chips and folds, or of a folder of samples
                "chips": True,  # pictures of the face are needed
                "shuffle": "nothing",  # a control: "labels" are dealt out to other videos
            },
            "cv": {"folds": recipe.folds(database), "runs": 10, "validation_share": 0.1},
            # All off: classes that count alike, a threshold that validation videos choose, mirrored videos in training.
            "options": {"class_weights": False, "threshold": False, "mirrored": False},
            "report": {"permutations": 0},  # how often all is trained anew on labels that have changed places
            "model": {
                "variant": "ours",  # or "authors", for the published difference of the first picture
                "stride": 5,  # frames from one picture to the next
                "channel_dropout": 0.2,
                "dropout": 0.5,
            },
            "loss": {"penalty": 1e-3},
            "train": {
                "epochs": 100,
                "batch_size": 16,
                "optimizer": {"name": "adamw"},  # without decay it is Adam
                "learning_rate": 1e-3,
                "last_epoch_factor": 1.0,
                "weight_decay": 0.0,
                "clip_frames": 128,  # pictures; of longer videos, windows
                "eval_windows": 1,
                "checkpoint_every": 10,
                "replicas_per_pass": 0,  # how many replicas train at once, on all devices; 0: as many as fit
            },
        }
    )


def demo() -> ConfigDict:
    """Returns the recipe on bundled synthetic data, at a size that 2 CPU cores train in minutes."""
    config = full("bbc")
    config.name = "realsmilenet-demo"
    config.note = "A demo: few videos, few epochs."
    config.data.update(source="synthetic", videos=40, subjects=20)
    config.cv.update(folds=5, runs=1, validation_share=0.25)
    config.model.update(stride=10)
    config.train.update(epochs=10, clip_frames=16, checkpoint_every=5)
    return config

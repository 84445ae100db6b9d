"""Hadamard fusion across databases: trained on one, tested on the others.

A demo on three bundled synthetic databases that differ in frame rate, image size, camera and amplitude, minutes on 2
CPU cores:

    dfuse-crossdb --config crossdb

The databases that one has, of these and of folders of one's own smiles, which dfuse-dataset makes; those whose folder
is not given are left out:

    dfuse-crossdb --config crossdb:uva_nemo,mmi,spos,bbc,mine --config.databases.mmi.dir=DIR \
        --config.databases.mine.dir=MINE
"""

import re

from ml_collections import ConfigDict

from dfuse_jax.data.databases import DATABASES
from dfuse_jax.experiments import recipe
from dfuse_jax.runtime.errors import UserError


def get_config(names: str | None = None) -> ConfigDict:
    """Returns the paper's recipe for databases and folders, such as "uva_nemo,mmi,mine"; without any, the demo."""
    return demo() if names in (None, "", "demo") else paper(names.split(","))


def paper(names: list[str]) -> ConfigDict:
    """Returns the paper's recipe (section 4.1): the full-size model, and folds within each database."""
    for name in names:
        if not re.fullmatch("[a-z][a-z0-9_]*", name):
            raise UserError(f"{name!r} is no name of a database: use small letters, digits and _.")
    return ConfigDict(
        {
            "name": f"crossdb-{'-'.join(names)}",
            "note": "The paper's recipe, across databases.",
            "system": "dfusesmilenet",
            "seed": 0,
            "databases": {
                name: {
                    "source": name if name in DATABASES else recipe.FOLDER,
                    "dir": "",  # of the database's landmarks and folds, or of a folder of samples; missing: left out
                }
                for name in names
            },
            "data": {
                "train_on": "one",  # database, or "all_but_one"; the others, or that one, test
                "fps": 0.0,  # frames a second to which all videos are brought; 0: as they are
                "distinct_subjects": False,  # whether equal names of subjects in two folders mean other people
                "shuffle": "nothing",  # a control: "dmarkers" or "labels" are dealt out to other videos
            },
            # The folds within databases that come without; the validation share of all trainings.
            "cv": {"folds": 10, "runs": 10, "validation_share": 0.1},
            # All off: classes that count alike, a threshold that validation videos choose, mirrored videos in training.
            "options": {"class_weights": False, "threshold": False, "mirrored": False},
            # The paper's own definition hangs on jitter, and so on camera and codec.
            "dmarkers": {"definition": "robust", "smoothing": ""},
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
    """Returns the recipe on bundled synthetic databases, at a size that 2 CPU cores train in minutes."""
    config = paper(["studio", "webcam", "lab"])
    config.name = "crossdb-demo"
    config.note = "A demo: few videos, a small model, few epochs."
    config.databases = {
        "studio": synthetic(fps=(50.0, 50.0), image_sizes=((1920, 1080), (1920, 1080)), videos=60, subjects=30),
        # As in MMI, its spontaneous smiles were filmed by one camera, and the posed ones by another.
        "webcam": synthetic(fps=(29.0, 25.0), image_sizes=((640, 480), (720, 576)), eye_distance=(0.07, 0.09)),
        "lab": synthetic(fps=(25.0, 25.0), image_sizes=((640, 480), (640, 480)), amplitude=1.3, subjects=8),
    }
    config.cv.update(folds=3, runs=1, validation_share=0.25)
    config.model.update(points=32, neighbours=6, entry=16, blocks=((16, 2),), curves=8, steps=2, tokens=4)
    config.model.update(depth=1, time_depth=0, heads=2, head_width=16, mlp=64)
    config.train.update(epochs=15, batch_size=8, eval_windows=2, learning_rate=5e-3, checkpoint_every=5)
    return config


def synthetic(**fields) -> dict:
    """Returns the description of a synthetic database, with some of its fields changed."""
    return {
        "source": "synthetic",
        "videos": 40,
        "subjects": 20,
        "fps": (50.0, 50.0),  # frames a second of spontaneous and of posed smiles
        "image_sizes": ((1920, 1080), (1920, 1080)),  # likewise
        "eye_distance": (0.10, 0.13),  # the smallest and the largest, fractions of the image's width
        "amplitude": 1.0,  # of the smiles
        **fields,
    }

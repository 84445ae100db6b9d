"""Wu et al. 2014: discriminative patterns of CLBP-TOP in regions of the face, phase by phase.

On bundled synthetic data, a minute on 2 CPU cores; a database (uva_nemo, mmi, spos, bbc) whose landmarks and folds lie
in DIR; or a folder of one's own smiles; both made with --chips, as the system sees pictures:

    dfuse-cv --config wu14[:uva_nemo|mmi|spos|bbc|folder] [--config.data.dir=DIR]

The paper's Table 5: UvA-NEMO 91.4, MMI 86.1, SPOS 79.5, BBC 90.0 %.
"""

from ml_collections import ConfigDict

from dfuse_jax.experiments import recipe


def get_config(database: str | None = None) -> ConfigDict:
    """Returns the recipe for "uva_nemo", "mmi", "spos", "bbc" or a "folder"; without one, the demo."""
    return demo() if database in (None, "", "demo") else full(database)


def full(database: str) -> ConfigDict:
    """Returns the recipe on the database's folds."""
    return ConfigDict(
        {
            "name": f"wu14-{database}",
            "note": "Our reading of the published description.",
            "system": "wu14",
            "seed": 0,
            "data": {
                "source": recipe.source(database),
                "dir": "",  # of the database's landmarks and folds, or of a folder of samples
                "chips": True,  # pictures of the face are needed
                "shuffle": "nothing",  # a control: "labels" are dealt out to other videos
            },
            # Nothing is random and no epoch is chosen, so one run says all and all training videos train.
            "cv": {"folds": recipe.folds(database), "runs": 1, "validation_share": 0.1},
            # All off: classes that count alike, a threshold that validation videos choose, mirrored videos in training.
            "options": {"class_weights": False, "threshold": False, "mirrored": False},
            "report": {"permutations": 0},  # how often all is trained anew on labels that have changed places
            "model": {
                "share": 0.9,  # of a video's counts that its dominant patterns hold
                "agree": 0.5,  # share of a class's videos in which a pattern must be dominant; the original demands all
                "kernel": "linear",  # or "intersection"
            },
        }
    )


def demo() -> ConfigDict:
    """Returns the recipe on bundled synthetic data."""
    config = full("bbc")
    config.name = "wu14-demo"
    config.note = "A demo: few videos."
    config.data.update(source="synthetic", videos=40, subjects=20)
    config.cv.update(folds=5, validation_share=0.25)
    return config

"""Mandal et al. 2016: histograms of oriented gradients over time.

On bundled synthetic data, a minute on 2 CPU cores; a database (uva_nemo, mmi, spos, bbc) whose landmarks and folds lie
in DIR; or a folder of one's own smiles; both made with --chips, as the system sees pictures:

    dfuse-cv --config mandal16[:uva_nemo|mmi|spos|bbc|folder] [--config.data.dir=DIR]

The paper's Table 5: UvA-NEMO 78.1 %.
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
            "name": f"mandal16-{database}",
            "note": "Our reading of the published description.",
            "system": "mandal16",
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
                "descriptor": "hog",  # or "lpq", "flow"
                "normalisation": "first",  # takes the first picture's descriptor away; or "none", "zscore", "l2"
                "magnification": 0.0,  # of motion
                "kernel": "either",  # chosen in the training folds; or "linear", "rbf"
            },
        }
    )


def demo() -> ConfigDict:
    """Returns the recipe on bundled synthetic data."""
    config = full("bbc")
    config.name = "mandal16-demo"
    config.note = "A demo: few videos."
    config.data.update(source="synthetic", videos=40, subjects=20)
    config.cv.update(folds=5, validation_share=0.25)
    return config

"""Dibeklioglu et al. 2010: the movement of the eyelids.

On bundled synthetic data, seconds on 2 CPU cores; a database (uva_nemo, mmi, spos, bbc) whose landmarks and folds lie
in DIR; or a folder of one's own smiles:

    dfuse-cv --config dibeklioglu10[:uva_nemo|mmi|spos|bbc|folder] [--config.data.dir=DIR]

The paper's Table 5: UvA-NEMO 71.1, MMI 74.0, SPOS 68.0, BBC 85.0 %.
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
            "name": f"dibeklioglu10-{database}",
            "note": "Our reading of the published description.",
            "system": "dibeklioglu10",
            "seed": 0,
            "data": {
                "source": recipe.source(database),
                "dir": "",  # of the database's landmarks and folds, or of a folder of samples
                "shuffle": "nothing",  # a control: "labels" are dealt out to other videos
            },
            # Nothing is random and no epoch is chosen, so one run says all and all training videos train.
            "cv": {"folds": recipe.folds(database), "runs": 1, "validation_share": 0.1},
            # All off: classes that count alike, a threshold that validation videos choose, mirrored videos in training.
            "options": {"class_weights": False, "threshold": False, "mirrored": False},
            "report": {"permutations": 0},  # how often all is trained anew on labels that have changed places
            "model": {
                "classifier": "naive_bayes",  # or "neighbours", or "hmm": a hidden Markov model for each class
                "segment": "phases",  # Table 2 in onset, apex and offset; or in the "whole" video; not for "hmm"
            },
        }
    )


def demo() -> ConfigDict:
    """Returns the recipe on bundled synthetic data."""
    config = full("bbc")
    config.name = "dibeklioglu10-demo"
    config.note = "A demo: few videos."
    config.data.update(source="synthetic", videos=80, subjects=40)
    config.cv.update(folds=5, validation_share=0.25)
    return config

"""Dibeklioglu, Salah and Gevers 2015: D-Markers, mRMR, and a support vector machine for each region.

On bundled synthetic data, seconds on 2 CPU cores; a database (uva_nemo, mmi, spos, bbc) whose landmarks and folds lie
in DIR; or a folder of one's own smiles:

    dfuse-cv --config dibeklioglu15[:uva_nemo|mmi|spos|bbc|folder] [--config.data.dir=DIR]

The paper's Table 5: UvA-NEMO 89.8, MMI 88.1, SPOS 77.5, BBC 90.0 %.
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
            "name": f"dibeklioglu15-{database}",
            "note": "Our reading of the published description.",
            "system": "dibeklioglu15",
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
            "dmarkers": recipe.dmarkers(database),
            "model": {
                "fusion": "mid",  # a machine for each region; or "early", one for all; or "late", also for each phase
                "rule": "sum",  # of the machines' probabilities; or their "product", or a "vote"
                "kernel": "linear",  # or "rbf"
                "phases": "runs",  # longest rise and fall; or "extended" to the video's first and last frame
                "increments": False,  # whether D+ and D- are steps between frames instead of levels
            },
        }
    )


def demo() -> ConfigDict:
    """Returns the recipe on bundled synthetic data."""
    config = full("bbc")
    config.name = "dibeklioglu15-demo"
    config.note = "A demo: few videos."
    config.data.update(source="synthetic", videos=80, subjects=40)
    config.cv.update(folds=5, validation_share=0.25)
    return config

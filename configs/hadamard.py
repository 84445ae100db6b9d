"""Hadamard fusion, eq. 12: the paper's winner.

A demo on embedded data, minutes on 2 CPU cores:

    python launch/cv.py --config configs/hadamard.py

The paper's recipe on a database (uva_nemo, mmi, spos, bbc) whose landmarks and folds lie in DIR, and any field changed:

    python launch/cv.py --config configs/hadamard.py:uva_nemo --config.data.dir=DIR --config.cv.runs=1

The same on a folder of one's own smiles, made by launch/dataset.py:

    python launch/cv.py --config configs/hadamard.py:folder --config.data.dir=DIR

The paper's Table 4, whose protocol is the report's `peeked`: UvA-NEMO 88.7, MMI 99.7, SPOS 98.5, BBC 100.0 %.
"""

from dfuse_jax.experiments import recipe


def get_config(database=None):
    """The recipe for "uva_nemo", "mmi", "spos", "bbc" or a "folder"; without one, the demo."""
    return recipe.get("hadamard", database)

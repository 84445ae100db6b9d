"""All fusions over the same folds, seeds and data.

On embedded data, at a size at which 2 CPU cores take at most a quarter of an hour for all of them:

    python launch/benchmark.py --config configs/benchmark.py

The paper's recipe on a database (uva_nemo, mmi, spos, bbc), beside its Table 4; some fusions; any field of the recipe:

    python launch/benchmark.py --config configs/benchmark.py:bbc --config.data.dir=DIR \\
        --config.fusions=hadamard,film,none --config.cv.runs=1
"""

from dfuse_jax.experiments import recipe


def get_config(database=None):
    """The recipe that all share for "uva_nemo", "mmi", "spos" or "bbc"; without one, the demo."""
    return recipe.benchmark(database)

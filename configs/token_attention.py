"""Token attention, not in the paper: each frame attends to 9 tokens of D-Markers, region by phase.

    python launch/cv.py --config configs/token_attention.py[:uva_nemo|mmi|spos|bbc] [--config.data.dir=DIR]

The paper has no value for it: its Table 4 holds attention to a single token only, which sees nothing of x.
"""

from dfuse_jax.experiments import recipe


def get_config(database=None):
    """The recipe for "uva_nemo", "mmi", "spos" or "bbc"; without one, the demo."""
    return recipe.get("token_attention", database)

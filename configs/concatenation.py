"""Concatenation, eq. 8: MLP([x; z]).

    python launch/cv.py --config configs/concatenation.py[:uva_nemo|mmi|spos|bbc] [--config.data.dir=DIR]

The paper's Table 4, whose protocol is the report's `peeked`: UvA-NEMO 87.9, MMI 99.7, SPOS 97.2, BBC 95.0 %.
"""

from dfuse_jax.experiments import recipe


def get_config(database=None):
    """The recipe for "uva_nemo", "mmi", "spos" or "bbc"; without one, the demo."""
    return recipe.get("concatenation", database)

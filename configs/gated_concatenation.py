"""Gated concatenation, eq. 9: g x + (1 - g) z with a learnt gate g = sigmoid(W_g [x; z]).

    python launch/cv.py --config configs/gated_concatenation.py[:uva_nemo|mmi|spos|bbc] [--config.data.dir=DIR]

The paper's Table 4, whose protocol is the report's `peeked`: UvA-NEMO 87.9, MMI 94.7, SPOS 93.0, BBC 95.0 %.
"""

from dfuse_jax.experiments import recipe


def get_config(database=None):
    """The recipe for "uva_nemo", "mmi", "spos" or "bbc"; without one, the demo."""
    return recipe.get("gated_concatenation", database)

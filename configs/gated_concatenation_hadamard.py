"""Gated concatenation + Hadamard, eq. 25: x * z + g x + (1 - g) z.

    python launch/cv.py --config configs/gated_concatenation_hadamard.py[:uva_nemo|mmi|spos|bbc] [--config.data.dir=DIR]

The paper's Table 4, whose protocol is the report's `peeked`: UvA-NEMO 87.9, MMI 99.7, SPOS 93.4, BBC 100.0 %.
"""

from dfuse_jax.experiments import recipe


def get_config(database=None):
    """The recipe for "uva_nemo", "mmi", "spos" or "bbc"; without one, the demo."""
    return recipe.get("gated_concatenation_hadamard", database)

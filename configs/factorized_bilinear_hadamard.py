"""Factorized bilinear pooling + Hadamard, eq. 24: LN(ReLU(W_c (eq. 23's W_o + x * z))).

    python launch/cv.py --config configs/factorized_bilinear_hadamard.py[:uva_nemo|mmi|spos|bbc] [--config.data.dir=DIR]

The paper's Table 4, whose protocol is the report's `peeked`: UvA-NEMO 85.4, MMI 94.7, SPOS 95.4, BBC 100.0 %.
"""

from dfuse_jax.experiments import recipe


def get_config(database=None):
    """The recipe for "uva_nemo", "mmi", "spos" or "bbc"; without one, the demo."""
    return recipe.get("factorized_bilinear_hadamard", database)

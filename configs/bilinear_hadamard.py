"""Bilinear pooling + Hadamard, eq. 22: LN(ReLU(W_c (W_o (x z^T) + x * z))).

    python launch/cv.py --config configs/bilinear_hadamard.py[:uva_nemo|mmi|spos|bbc] [--config.data.dir=DIR]

The paper's Table 4, whose protocol is the report's `peeked`: UvA-NEMO 87.1, MMI 93.1, SPOS 96.7, BBC 100.0 %.
"""

from dfuse_jax.experiments import recipe


def get_config(database=None):
    """The recipe for "uva_nemo", "mmi", "spos" or "bbc"; without one, the demo."""
    return recipe.get("bilinear_hadamard", database)

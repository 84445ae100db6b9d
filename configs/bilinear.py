"""Bilinear pooling, eq. 21: LN(W_o (x z^T)), all products of x and z.

    python launch/cv.py --config configs/bilinear.py[:uva_nemo|mmi|spos|bbc] [--config.data.dir=DIR]

The paper's Table 4, whose protocol is the report's `peeked`: UvA-NEMO 83.8, MMI 95.6, SPOS 92.8, BBC 95.0 %.
"""

from dfuse_jax.experiments import recipe


def get_config(database=None):
    """The recipe for "uva_nemo", "mmi", "spos" or "bbc"; without one, the demo."""
    return recipe.get("bilinear", database)

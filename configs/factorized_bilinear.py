"""Factorized bilinear pooling, eq. 23: LN(W_o((W_p x) * (W_q z))).

    python launch/cv.py --config configs/factorized_bilinear.py[:uva_nemo|mmi|spos|bbc] [--config.data.dir=DIR]

The paper's Table 4, whose protocol is the report's `peeked`: UvA-NEMO 83.8, MMI 93.3, SPOS 97.7, BBC 95.0 %.
"""

from dfuse_jax.experiments import recipe


def get_config(database=None):
    """The recipe for "uva_nemo", "mmi", "spos" or "bbc"; without one, the demo."""
    return recipe.get("factorized_bilinear", database)

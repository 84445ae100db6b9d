"""Attention, eq. 13: softmax(q k^T / sqrt(d)) v, q of x, k and v of the single token z: blind to the encoder.

    python launch/cv.py --config configs/attention.py[:uva_nemo|mmi|spos|bbc] [--config.data.dir=DIR]

The paper's Table 4, whose protocol is the report's `peeked`: UvA-NEMO 87.1, MMI 89.4, SPOS 91.6, BBC 90.0 %.
"""

from dfuse_jax.experiments import recipe


def get_config(database=None):
    """The recipe for "uva_nemo", "mmi", "spos" or "bbc"; without one, the demo."""
    return recipe.get("attention", database)

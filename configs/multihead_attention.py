"""Multi-head attention, eq. 14: eq. 13 in 4 heads, then W_O; blind to the encoder as well.

    python launch/cv.py --config configs/multihead_attention.py[:uva_nemo|mmi|spos|bbc] [--config.data.dir=DIR]

The paper's Table 4, whose protocol is the report's `peeked`: UvA-NEMO 85.4, MMI 91.7, SPOS 90.4, BBC 85.0 %.
"""

from dfuse_jax.experiments import recipe


def get_config(database=None):
    """The recipe for "uva_nemo", "mmi", "spos" or "bbc"; without one, the demo."""
    return recipe.get("multihead_attention", database)

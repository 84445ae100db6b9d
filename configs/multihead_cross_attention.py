"""Multi-head cross attention, eqs. 17-18: W_O of 4 heads, no MLP after it; blind to the encoder.

    python launch/cv.py --config configs/multihead_cross_attention.py[:uva_nemo|mmi|spos|bbc] [--config.data.dir=DIR]

The paper's Table 4, whose protocol is the report's `peeked`: UvA-NEMO 85.4, MMI 92.1, SPOS 86.2, BBC 85.0 %.
"""

from dfuse_jax.experiments import recipe


def get_config(database=None):
    """The recipe for "uva_nemo", "mmi", "spos" or "bbc"; without one, the demo."""
    return recipe.get("multihead_cross_attention", database)

"""Cross attention, eqs. 15-16: computed as eq. 13 is, and like it blind to the encoder.

    python launch/cv.py --config configs/cross_attention.py[:uva_nemo|mmi|spos|bbc] [--config.data.dir=DIR]

The paper's Table 4, whose protocol is the report's `peeked`: UvA-NEMO 83.8, MMI 92.3, SPOS 85.7, BBC 90.0 %.
"""

from dfuse_jax.experiments import recipe


def get_config(database=None):
    """The recipe for "uva_nemo", "mmi", "spos" or "bbc"; without one, the demo."""
    return recipe.get("cross_attention", database)

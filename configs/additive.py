"""Additive fusion, eqs. 10-11: a_1 x + a_2 z with learnt weights a = softmax(W_a [x; z]).

    python launch/cv.py --config configs/additive.py[:uva_nemo|mmi|spos|bbc] [--config.data.dir=DIR]

The paper's Table 4, whose protocol is the report's `peeked`: UvA-NEMO 81.4, MMI 89.7, SPOS 92.0, BBC 85.0 %.
"""

from dfuse_jax.experiments import recipe


def get_config(database=None):
    """The recipe for "uva_nemo", "mmi", "spos" or "bbc"; without one, the demo."""
    return recipe.get("additive", database)

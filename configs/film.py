"""FiLM, eq. 19: gamma * LN(x) + beta with gamma and beta learnt from z.

    python launch/cv.py --config configs/film.py[:uva_nemo|mmi|spos|bbc] [--config.data.dir=DIR]

The paper's Table 4, whose protocol is the report's `peeked`: UvA-NEMO 83.8, MMI 94.7, SPOS 92.8, BBC 90.0 %.
"""

from dfuse_jax.experiments import recipe


def get_config(database=None):
    """The recipe for "uva_nemo", "mmi", "spos" or "bbc"; without one, the demo."""
    return recipe.get("film", database)

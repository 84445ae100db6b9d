"""FiLM + Hadamard, eq. 20: gamma * LN(x) + beta + x * z.

    python launch/cv.py --config configs/film_hadamard.py[:uva_nemo|mmi|spos|bbc] [--config.data.dir=DIR]

The paper's Table 4, whose protocol is the report's `peeked`: UvA-NEMO 87.1, MMI 92.1, SPOS 97.8, BBC 95.0 %.
"""

from dfuse_jax.experiments import recipe


def get_config(database=None):
    """The recipe for "uva_nemo", "mmi", "spos" or "bbc"; without one, the demo."""
    return recipe.get("film_hadamard", database)

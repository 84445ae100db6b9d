"""No fusion: the encoder alone, F = H, which ignores the D-Markers. The paper's baseline, MeshSmileNet.

    python launch/cv.py --config configs/none.py[:uva_nemo|mmi|spos|bbc] [--config.data.dir=DIR]

The paper's Table 5, row [24], whose protocol is the report's `peeked`: UvA-NEMO 85.0, MMI 99.0, SPOS 94.4, BBC 95.0 %.
"""

from dfuse_jax.experiments import recipe


def get_config(database=None):
    """The recipe for "uva_nemo", "mmi", "spos" or "bbc"; without one, the demo."""
    return recipe.get("none", database)

"""D-Markers as pandas tables."""

import numpy as np
import pandas as pd

from dfuse_jax.dmarkers._features import FEATURE_NAMES, VALUES
from dfuse_jax.dmarkers._phases import PHASES
from dfuse_jax.dmarkers._signals import REGIONS
from dfuse_jax.dmarkers.extras.glossary import DESCRIPTIONS, UNITS


def to_frame(features, *, index=None) -> pd.DataFrame:
    """The features with their names, units and meanings.

    Args:
        features: [225] of one sequence, or [N, 225] of several, as `compute` gives them.
        index: of several sequences, one label each (default: 0 to N - 1).

    Returns:
        Of one sequence, a row per feature: region, phase, measure, value, unit and meaning, indexed by name. Of
        several, a row per sequence and a column per feature; `attrs["units"]` and `attrs["meanings"]` are dicts by
        column.

    Raises:
        ValueError: for another shape, or an index of another length.
    """
    features = np.asarray(features)
    if features.ndim not in (1, 2) or features.shape[-1] != len(FEATURE_NAMES):
        raise ValueError(f"features have shape {features.shape}, expected [225] or [N, 225].")
    if features.ndim == 1:
        names = pd.MultiIndex.from_product([REGIONS, PHASES, VALUES], names=["region", "phase", "measure"])
        table = names.to_frame(index=False).assign(value=features, unit=UNITS, meaning=DESCRIPTIONS)
        return table.set_index(pd.Index(FEATURE_NAMES, name="feature"))
    table = pd.DataFrame(features, index=index, columns=list(FEATURE_NAMES))
    table.attrs = {
        "units": dict(zip(FEATURE_NAMES, UNITS, strict=True)),
        "meanings": dict(zip(FEATURE_NAMES, DESCRIPTIONS, strict=True)),
    }
    return table

"""D-Markers as pandas tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dfuse_jax.constants import NUM_DMARKERS
from dfuse_jax.dmarkers._definitions import check_options
from dfuse_jax.dmarkers._features import FEATURE_NAMES, VALUES
from dfuse_jax.dmarkers._phases import PHASES
from dfuse_jax.dmarkers._signals import REGIONS
from dfuse_jax.dmarkers.extras.glossary import describe

if TYPE_CHECKING:
    from jaxtyping import Float
    from numpy.typing import ArrayLike


def to_frame(
    features: Float[ArrayLike, "*sequences 225"],
    *,
    index: list | np.ndarray | pd.Index | pd.Series | None = None,
    definition: str = "paper",
) -> pd.DataFrame:
    """Returns the features with their names, units and meanings.

    Args:
        features: [225] of one sequence, or [N, 225] of several, as `compute` and `compute_batch` return them.
        index: of several sequences, one label each (default: 0 to N - 1).
        definition: with which they were computed; "robust" has other units for what it integrates over time.

    Returns:
        Of one sequence, a row per feature: region, phase, measure, value, unit and meaning, indexed by name. Of
        several, a row per sequence and a column per feature; `attrs["units"]` and `attrs["meanings"]` are dicts by
        column.

    Raises:
        ValueError: for another shape, an index of another length, or an unknown definition.
    """
    check_options(definition=definition)
    units, descriptions = describe(definition)
    values = np.asarray(features)
    if values.ndim not in (1, 2) or values.shape[-1] != NUM_DMARKERS:
        raise ValueError(f"features have shape {values.shape}, expected [{NUM_DMARKERS}] or [N, {NUM_DMARKERS}].")
    if values.ndim == 1:
        names = pd.MultiIndex.from_product([REGIONS, PHASES, VALUES], names=["region", "phase", "measure"])
        table = names.to_frame(index=False).assign(value=values, unit=units, meaning=descriptions)
        return table.set_index(pd.Index(FEATURE_NAMES, name="feature"))
    table = pd.DataFrame(values, index=index, columns=list(FEATURE_NAMES))
    table.attrs = {
        "units": dict(zip(FEATURE_NAMES, units, strict=True)),
        "meanings": dict(zip(FEATURE_NAMES, descriptions, strict=True)),
    }
    return table

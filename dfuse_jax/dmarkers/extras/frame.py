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
from dfuse_jax.dmarkers.extras.glossary import describe, reliability

if TYPE_CHECKING:
    from jaxtyping import Float
    from numpy.typing import ArrayLike


def to_frame(
    features: Float[ArrayLike, "*sequences 225"],
    *,
    index: list | np.ndarray | pd.Index | pd.Series | None = None,
    definition: str = "paper",
    smoothing: str | None = None,
) -> pd.DataFrame:
    """Returns the features with their names, units, meanings and reliabilities.

    Args:
        features: [225] of one sequence, or [N, 225] of several, as `compute` and `compute_batch` return them.
        index: of several sequences, one label each (default: 0 to N - 1).
        definition: with which they were computed; "robust" has other units for what it integrates over time.
        smoothing: with which they were computed; reliability depends on it.

    Returns:
        Of one sequence, a row per feature: region, phase, measure, value, unit, meaning and icc, indexed by name. Of
        several, a row per sequence and a column per feature; `attrs["units"]`, `attrs["meanings"]` and `attrs["icc"]`
        are dicts by column. icc is the ICC(2,1) of the feature under a tracker's error, see `glossary.reliability`;
        NaN for the definition "authors".

    Raises:
        ValueError: for another shape, an index of another length, or an unknown definition or smoothing.
    """
    check_options(definition=definition, smoothing=smoothing)
    units, descriptions = describe(definition)
    icc = reliability(definition, smoothing)
    values = np.asarray(features)
    if values.ndim not in (1, 2) or values.shape[-1] != NUM_DMARKERS:
        raise ValueError(f"features have shape {values.shape}, expected [{NUM_DMARKERS}] or [N, {NUM_DMARKERS}].")
    if values.ndim == 1:
        names = pd.MultiIndex.from_product([REGIONS, PHASES, VALUES], names=["region", "phase", "measure"])
        table = names.to_frame(index=False).assign(value=values, unit=units, meaning=descriptions, icc=icc)
        return table.set_index(pd.Index(FEATURE_NAMES, name="feature"))
    table = pd.DataFrame(values, index=index, columns=list(FEATURE_NAMES))
    table.attrs = {
        "units": dict(zip(FEATURE_NAMES, units, strict=True)),
        "meanings": dict(zip(FEATURE_NAMES, descriptions, strict=True)),
        "icc": dict(zip(FEATURE_NAMES, icc, strict=True)),
    }
    return table

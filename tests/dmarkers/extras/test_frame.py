"""The features as pandas tables."""

import numpy as np
import pandas as pd
import pytest
from padded import compute
from smiles import smile

from dfuse_jax import dmarkers
from dfuse_jax.dmarkers.extras import glossary


def test_to_frame_names_every_feature_with_its_unit():
    features = compute(smile([1, 2, 4, 3]), fps=10.0)
    table = dmarkers.to_frame(features)
    assert tuple(table.index) == dmarkers.FEATURE_NAMES
    assert table.loc["lip_onset_duration", ["region", "phase", "measure", "unit"]].tolist() == [
        *("lip", "onset", "duration", "s")
    ]
    assert table.loc["lip_onset_duration", "value"] == pytest.approx(0.3)
    assert table.loc["cheek_offset_speed_max_increasing", "unit"] == "1/s"
    assert table.loc["eye_apex_acceleration_mean_decreasing", "unit"] == "1/s²"
    assert table["meaning"].str.len().min() > 20
    table = dmarkers.to_frame(np.stack([features, features]), index=["a", "b"])
    assert table.loc["b", "lip_onset_duration"] == pytest.approx(0.3)
    assert table.attrs["units"]["lip_onset_duration"] == "s"
    assert isinstance(table, pd.DataFrame)
    with pytest.raises(ValueError, match=r"\(2, 224\)"):
        dmarkers.to_frame(np.ones((2, 224)))


def test_to_frame_gives_the_reliability_of_what_was_computed():
    icc = pd.read_csv(glossary.ICC, index_col="feature")
    features = np.ones(225)
    pd.testing.assert_series_equal(dmarkers.to_frame(features)["icc"], icc["paper"], check_names=False)
    smoothed = dmarkers.to_frame(np.stack([features, features]), smoothing="4253H")
    np.testing.assert_array_equal(list(smoothed.attrs["icc"].values()), icc["paper:4253H"])
    assert tuple(smoothed.attrs["icc"]) == dmarkers.FEATURE_NAMES
    assert (
        dmarkers.to_frame(features, definition="robust").loc["lip_onset_duration", "icc"]
        == icc.loc["lip_onset_duration", "robust"]
    )
    with pytest.raises(ValueError, match="smooths the signals itself"):
        dmarkers.to_frame(features, definition="robust", smoothing="4253H")

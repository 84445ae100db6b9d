"""The glossary describes what is computed, and the page on D-Markers says the same."""

import functools
import math
import pathlib
import re

import numpy as np
import pandas as pd
import pytest

from dfuse_jax import dmarkers
from dfuse_jax.dmarkers.extras.glossary import DESCRIPTIONS, ICC, MEANINGS, SIGNALS, SPANS, UNITS, describe, reliability


def test_every_value_region_and_phase_has_its_words_in_order():
    assert tuple(MEANINGS) == dmarkers.VALUES
    assert tuple(SIGNALS) == dmarkers.REGIONS
    assert tuple(SPANS) == dmarkers.PHASES
    assert len(UNITS) == len(DESCRIPTIONS) == len(dmarkers.FEATURE_NAMES)


def test_descriptions_are_those_of_their_features():
    described = dict(zip(dmarkers.FEATURE_NAMES, zip(UNITS, DESCRIPTIONS, strict=True), strict=True))
    assert described["cheek_offset_speed_max_increasing"][0] == "1/s"
    for words in ("largest speed at which D rises", "cheek elevation", "while the smile fades"):
        assert words in described["cheek_offset_speed_max_increasing"][1]


def test_the_readme_lists_the_same_values_with_the_same_words():
    readme = (pathlib.Path(__file__).parents[3] / "docs" / "dmarkers.md").read_text()
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \| (\S+) \| (.*?) \|", readme, re.MULTILINE)
    # A bar would end the table's cell.
    bars = {"|D|": "abs D", "|sum of D_L - sum of D_R|": "abs(sum of D_L - sum of D_R)"}
    meanings = [functools.reduce(lambda m, bar: m.replace(bar, bars[bar]), bars, m) for _, m in MEANINGS.values()]
    units = [unit for unit, _ in MEANINGS.values()]
    expected = zip(range(1, 26), dmarkers.VALUES, units, meanings, strict=True)
    assert rows == [(str(number), *row) for number, *row in expected]


def test_what_robust_integrates_has_the_unit_of_time():
    units, descriptions = describe("robust")
    named = dict(zip(dmarkers.FEATURE_NAMES, zip(units, descriptions, strict=True), strict=True))
    assert named["lip_onset_amplitude_net"][0] == "s"
    assert named["lip_onset_amplitude_duration_ratio"][0] == "1"
    assert "that eye's width" in named["eye_apex_amplitude_mean"][1]
    assert named["lip_apex_speed_max_increasing"][0] == "1/s"
    assert describe("paper") == (UNITS, DESCRIPTIONS)


@pytest.mark.parametrize(("definition", "smoothing"), [("paper", None), ("paper", "4253H"), ("robust", None)])
def test_every_feature_of_every_measured_definition_has_its_reliability(definition, smoothing):
    table = pd.read_csv(ICC, index_col="feature")
    assert tuple(table.index) == dmarkers.FEATURE_NAMES
    column = table[f"{definition}:{smoothing}" if smoothing else definition]
    np.testing.assert_array_equal(reliability(definition, smoothing), column)  # equal where NaN, too
    assert column.dropna().between(-1, 1).all()
    # The lip rises in every step of a strictly rising run, and falls in none.
    constant = {"lip_onset_duration_decreasing", "lip_offset_duration_increasing"}
    assert constant.isdisjoint(column.dropna().index) == (definition == "paper")


def test_robust_is_the_most_reliable_and_authors_was_not_measured():
    """Eight features in ten with an ICC of 0.9 are the goal of `robust`."""
    shares = [
        sum(icc >= 0.9 for icc in reliability(definition, smoothing)) / 225
        for definition, smoothing in (("paper", None), ("paper", "4253H"), ("robust", None))
    ]
    assert shares == sorted(shares) and shares[2] >= 0.8
    assert all(map(math.isnan, reliability("authors")))

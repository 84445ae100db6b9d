"""The glossary describes what is computed, and the page on D-Markers says the same."""

import functools
import pathlib
import re

from dfuse_jax import dmarkers
from dfuse_jax.dmarkers.extras.glossary import DESCRIPTIONS, MEANINGS, SIGNALS, SPANS, UNITS, describe


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

"""The benchmark of hidden faces, without its pictures."""

import numpy as np
import pytest

from dfuse_jax.bench import occlusions
from dfuse_jax.bench.occlusions import Outcome
from dfuse_jax.data import synthetic


def test_the_table_counts_wrong_refusals_and_wrong_judgements():
    outcomes = [
        Outcome("hand over mouth", 0.1, False, alone="covered", recorded=""),
        Outcome("hand over mouth", 0.1, False, alone="", recorded=""),
        Outcome("hand over mouth", 0.8, True, alone="", recorded=""),
        Outcome("hand over mouth", 0.3, True, alone="covered", recorded="covered"),
        Outcome("darkness", 0.4, False, alone="", recorded="too dark"),
    ]
    lines = {line[:24].strip(): line[24:].split() for line in occlusions.lines_of(outcomes)[1:]}
    # May be judged; of these refused in recordings and alone; may not be judged; of these judged.
    assert lines["hand over mouth"] == ["2", "0", "1", "2", "1", "1"]
    assert lines["darkness"] == ["1", "1", "0", "0", "0", "0"]
    assert lines["all"] == ["3", "1", "1", "2", "1", "1"]
    assert lines["half or less hidden"] == ["3", "1", "1", "1", "0", "0"]


@pytest.mark.parametrize("thing", occlusions.THINGS)
def test_things_cover_the_part_and_not_the_rest(thing):
    sample = synthetic.generate(2, 1, seed=3, frames=(3, 3))[0]
    face = sample.landmarks[0]
    image = np.full((round(400 * sample.aspect), 400, 3), 90, np.uint8)
    there = occlusions.cover(image, face, "mouth", thing, away=0, rng=np.random.default_rng(0))
    changed = (there != image).any(axis=2)
    height, width = changed.shape
    lip, eye = ((face[landmark, :2] * (width, height)).astype(int) for landmark in (13, 159))
    assert changed[lip[1], lip[0]] and not changed[eye[1], eye[0]]
    away = occlusions.cover(image, face, "mouth", thing, away=3, rng=np.random.default_rng(0))
    assert not (away != image)[lip[1], lip[0]].any()


def test_a_turned_head_is_turned_in_the_hidden_frames_alone():
    sample = synthetic.generate(2, 1, seed=3, frames=(60, 60))[0]
    hidden = np.zeros(60, bool)
    hidden[30:40] = True
    turned = occlusions.turn(sample, hidden, 1)
    widths = np.ptp(turned.landmarks[..., 0], axis=1) / np.ptp(sample.landmarks[..., 0], axis=1)
    assert (widths[30:40] < 0.95).all()
    np.testing.assert_allclose(turned.landmarks[:20], sample.landmarks[:20], atol=1e-6)

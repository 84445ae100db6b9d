"""The scores of parts of the videos."""

import numpy as np
import pytest
from outcomes import outcome

from dfuse_jax.evaluate import resampling, subgroups
from dfuse_jax.evaluate.resampling import Pooled
from dfuse_jax.evaluate.results import compute_results


def pooled(videos=24):
    rng = np.random.default_rng(1)
    return Pooled(np.arange(videos) % 2, np.arange(videos) // 2, rng.random((2, videos)))


def test_a_group_has_the_scores_of_its_videos_alone():
    predictions = pooled()
    sex = ["female" if v < 14 else "male" for v in range(24)]
    female, male = subgroups.compute(predictions, {"sex": sex}, range(24))
    assert [(row["property"], row["group"], row["videos"], row["subjects"]) for row in (female, male)] == [
        ("sex", "female", 14, 7),
        ("sex", "male", 10, 5),
    ]
    alone = Pooled(predictions.labels[14:], predictions.subjects[14:] - 7, predictions.probabilities[:, 14:])
    for metric, interval in male["scores"].items():
        assert interval == resampling.bootstrap(alone)[metric]._asdict()
    right = (predictions.probabilities[:, :14] >= 0.5) == predictions.labels[:14]
    np.testing.assert_allclose(female["scores"]["accuracy"]["value"], right.mean())


def test_small_groups_are_withheld():
    rows = subgroups.compute(pooled(), {"age": ["5 to 17"] * 8 + ["18 to 29"] * 16}, range(24))
    assert [(row["group"], row["subjects"], row["scores"] is None) for row in rows] == [
        ("5 to 17", 4, True),
        ("18 to 29", 8, False),
    ]


def test_what_does_not_divide_the_videos_is_left_out():
    assert subgroups.compute(pooled(), {"frame rate": ["25"] * 24}, range(24)) == []


def test_videos_that_are_not_tested_do_not_shift_the_groups():
    predictions = pooled()
    chosen = [v for v in range(24) if v not in (0, 1)]
    part = Pooled(predictions.labels[2:], predictions.subjects[2:] - 1, predictions.probabilities[:, 2:])
    sex = ["female" if v < 14 else "male" for v in range(24)]
    female, male = subgroups.compute(part, {"sex": sex}, chosen)
    assert (female["videos"], male["videos"]) == (12, 10)
    assert male["scores"] == subgroups.compute(predictions, {"sex": sex}, range(24))[1]["scores"]


@pytest.mark.parametrize("groups", [{}, {"sex": ["a", "a", "a", "b", "b", "b"]}])
def test_results_hold_them(groups):
    """The made-up run tests videos 0, 1 and 5."""
    rows = compute_results(outcome(groups=groups))["subgroups"]
    assert [(row["group"], row["videos"], row["scores"]) for row in rows] == (
        [("a", 2, None), ("b", 1, None)] if groups else []
    )

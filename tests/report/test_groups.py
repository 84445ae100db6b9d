"""Features by group."""

import numpy as np
import pandas
import pytest

from dfuse_jax.report import groups
from dfuse_jax.runtime.errors import UserError


def test_effect_size_by_hand():
    """Means 2 and 5, variances 1 and 4: pooled sqrt(2.5), and 1 - 3 / (4 * 6 - 9) = 0.8."""
    assert groups.hedges_g(np.array([1.0, 2.0, 3.0]), np.array([3.0, 5.0, 7.0])) == pytest.approx(-3 / 2.5**0.5 * 0.8)
    assert np.isnan(groups.hedges_g(np.array([1.0]), np.array([3.0, 5.0])))
    assert np.isnan(groups.hedges_g(np.array([1.0, 1.0]), np.array([1.0, 1.0])))


def test_every_pair_of_groups_is_compared():
    table = pandas.DataFrame({"f": [1.0, 2, 3, 3, 5, 7, 0]})
    group = pandas.Series(["a", "a", "a", "b", "b", "b", None])
    (row,) = groups.compare(table, group, ["f"]).to_dict("records")
    assert (row["group"], row["other"], row["n"], row["n_other"], row["mean"], row["mean_other"]) == (
        "a",
        "b",
        3,
        3,
        2,
        5,
    )
    assert len(groups.compare(table, pandas.Series(list("abcabca")), ["f"])) == 3


def test_judged_groups_leave_out_what_was_not_judged():
    table = pandas.DataFrame({"probability": [0.9, 0.1, np.nan]})
    assert groups.judged(table).tolist() == ["spontaneous", "posed", None]


def test_a_file_of_groups(tmp_path):
    (tmp_path / "groups.csv").write_text("file,group\nfolder/a.mp4,1\nb.mp4,2\n")
    assert groups.read(tmp_path / "groups.csv") == {"a.mp4": "1", "b.mp4": "2"}
    (tmp_path / "wrong.csv").write_text("video,class\na,1\n")
    with pytest.raises(UserError, match="expected file and group"):
        groups.read(tmp_path / "wrong.csv")
    with pytest.raises(UserError, match="cannot be read"):
        groups.read(tmp_path / "none.csv")

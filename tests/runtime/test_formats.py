"""What other versions of dfuse_jax left is named in one line."""

import pytest

from dfuse_jax.runtime import formats
from dfuse_jax.runtime.errors import UserError


def require(found):
    formats.require("a/run", found, 3, changed="the eyes are different", advice="Train again.", remedy="new_run")


def test_the_format_of_this_version_passes():
    require(3)


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (None, "a/run was made by dfuse_jax 0.1: the eyes are different. Train again."),
        (2, "a/run was made by an earlier dfuse_jax (format 2): the eyes are different. Train again."),
        ("3", "a/run is damaged (its format is '3', expected 3). Train again."),
        (True, "a/run is damaged (its format is True, expected 3). Train again."),
    ],
)
def test_what_is_not_of_this_version_is_refused_with_what_to_do(found, line):
    with pytest.raises(UserError) as error:
        require(found)
    assert str(error.value) == line
    assert error.value.remedy == "new_run"


def test_a_later_version_is_to_be_updated_to():
    for check in (lambda: require(4), lambda: formats.refuse_later("a/run", 4, 3)):
        with pytest.raises(UserError, match=r"a/run was made by a later dfuse_jax \(format 4; .* up to 3\)\. Update"):
            check()


@pytest.mark.parametrize("found", [None, 1, 3])
def test_earlier_ones_may_pass(found):
    formats.refuse_later("a/run", found, 3)

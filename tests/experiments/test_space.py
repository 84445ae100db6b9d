"""What a sweep tries: how axes are written, grids, draws, and what is refused."""

import numpy as np
import pytest

from dfuse_jax.experiments import space
from dfuse_jax.runtime.errors import UserError

KNOWN = space.fields({"dropout": 0.1, "depth": 2, "blocks": ((16, 2),)})


def axes(**texts):
    return space.parse(texts, KNOWN)


def settings(search, count=8, seed=0, **texts):
    return space.settings(axes(**texts), search=search, count=count, seed=seed)


def test_a_grid_holds_every_combination():
    found = settings("grid", learning_rate="log(1e-4, 1e-2, 3)", depth="1, 2", seed="0, 1", dropout="")
    assert found == [{"learning_rate": rate, "depth": depth} for rate in (0.0001, 0.001, 0.01) for depth in (1, 2)]
    assert settings("grid", dropout="uniform(0, 0.5, 3)") == [{"dropout": x} for x in (0.0, 0.25, 0.5)]


def test_random_draws_are_uniform_on_their_scale_and_the_same_for_a_seed():
    texts = {"learning_rate": "log(1e-4, 1e-2)", "dropout": "uniform(0, 0.5)", "last_epoch_factor": "0.1, 1.0"}
    found = settings("random", 2000, **texts)
    rates = np.log10([setting["learning_rate"] for setting in found])
    assert rates.min() >= -4 and rates.max() <= -2
    np.testing.assert_allclose(np.histogram(rates, 4)[0] / 2000, 0.25, atol=0.04)
    np.testing.assert_allclose(np.mean([setting["dropout"] for setting in found]), 0.25, atol=0.02)
    np.testing.assert_allclose(np.mean([setting["last_epoch_factor"] == 0.1 for setting in found]), 0.5, atol=0.05)
    assert settings("random", 2000, **texts) == found
    assert settings("random", 2000, seed=1, **texts) != found


def test_no_setting_is_drawn_twice_and_few_are_all_tried():
    found = settings("random", 10, dropout="0.0, 0.1, 0.2", depth="1, 2, 3, 4")
    assert len({tuple(setting.items()) for setting in found}) == 10
    assert len(settings("random", 32, dropout="0.0, 0.1, 0.2", depth="1, 2")) == 6


def test_seeds_are_no_settings():
    assert space.seeds(axes(dropout="0.1, 0.2", seed="3, 4"), 7) == [3, 4]
    assert space.seeds(axes(dropout="0.1, 0.2"), 7) == [7]


def test_values_may_be_tuples_and_need_not_be_text():
    (axis,) = axes(blocks="((16, 2),), ((16, 2), (32, 2))")
    assert axis.values == (((16, 2),), ((16, 2), (32, 2)))
    (axis,) = axes(dropout=(0.0, 0.3))
    assert axis.values == (0.0, 0.3)


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ({"learnin_rate": "0.1"}, r"config\.sweep\.axes: unknown field 'learnin_rate'; known: learning_rate, .*depth"),
        ({"width": "1, 2"}, r"unknown field 'width'; known: learning_rate, last_epoch_factor, weight_decay, dropout"),
        ({}, "nothing is swept"),
        ({"seed": "0, 1", "dropout": ""}, "nothing is swept but seeds"),
        ({"learning_rate": "log(0, 1)"}, "a logarithmic range begins above 0"),
        ({"learning_rate": "log(-1, 1)"}, "a logarithmic range begins above 0"),
        ({"learning_rate": "log(1e-2, 1e-4)"}, "the first number must be less than the second"),
        ({"learning_rate": "log(1e-4, 1e-4)"}, "the first number must be less than the second"),
        ({"learning_rate": "uniform(0, 1e999)"}, "the first number must be less than the second"),
        ({"learning_rate": "log(1e-4, 1e-2, 1)"}, "the number of points must be 2 or more"),
        ({"learning_rate": "log(1e-4, 1e-2, 2.5)"}, "the number of points must be 2 or more"),
        ({"learning_rate": "log(1e-4)"}, "expected two numbers"),
        ({"learning_rate": "normal(0, 1)"}, "a range is one of log, uniform"),
        ({"learning_rate": "many"}, "expected values such as '0.1, 0.2', or a range"),
        ({"depth": "uniform(1, 4)"}, "depth takes a list of values"),
        ({"seed": "uniform(1, 4)"}, "seed takes a list of values"),
        ({"dropout": "0.1, 0.1"}, "names a value twice"),
    ],
)
def test_what_cannot_be_is_one_line(texts, words):
    with pytest.raises(UserError, match=words) as caught:
        axes(**texts)
    assert "\n" not in str(caught.value)


def test_a_grid_of_a_range_needs_points():
    with pytest.raises(
        UserError, match=r"learning_rate: a grid needs a number of points, such as 'log\(0\.0001, 0\.01, 4\)'"
    ):
        settings("grid", learning_rate="log(1e-4, 1e-2)")

"""The picture of the critical-difference diagram."""

import matplotlib.image
import numpy as np
from images import pixels_of_colour

from dfuse_jax.evaluate import significance
from dfuse_jax.plotting import BLUE, ORANGE
from dfuse_jax.report.comparison.diagram import draw_critical_difference

NAMES = ["a $ and a $", "b", "c"]


def drawn(tmp_path, scores):
    ranking = significance.rank(np.array(scores))._asdict()
    draw_critical_difference(tmp_path / "a.png", NAMES, {**ranking, "ranks": list(ranking["ranks"])})
    return matplotlib.image.imread(tmp_path / "a.png")


def test_a_bar_joins_what_does_not_differ(tmp_path):
    image = drawn(tmp_path, np.random.default_rng(0).random((3, 5)))
    assert image.shape[1] == 1200
    assert pixels_of_colour(image, BLUE) > 20  # the critical difference
    assert pixels_of_colour(image, ORANGE) > 20


def test_no_bar_where_all_differ(tmp_path):
    image = drawn(tmp_path, np.array([[0.9], [0.5], [0.1]]) + np.zeros((3, 50)))
    assert pixels_of_colour(image, BLUE) > 20
    assert pixels_of_colour(image, ORANGE) == 0


def test_a_diagram_without_ranks_says_so(tmp_path):
    undefined = {"ranks": [None] * 3, "groups": [], "blocks": 0, "p": None, "critical_difference": None}
    draw_critical_difference(tmp_path / "a.png", NAMES, undefined)
    assert matplotlib.image.imread(tmp_path / "a.png").shape[1] == 1200

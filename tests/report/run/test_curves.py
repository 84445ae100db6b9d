"""The picture of the learning curves."""

import dataclasses
import warnings

import matplotlib.image
import numpy as np
import pytest
from images import pixels_of_colour
from outcomes import only, outcome, outcome_without_epochs

from dfuse_jax.plotting import BLUE, GREY, ORANGE
from dfuse_jax.report.run.curves import draw_learning_curves


@pytest.mark.parametrize("epochs", [1, 3])
def test_learning_curves(tmp_path, epochs):
    made = outcome()
    losses = made.losses[:epochs].copy()
    losses[0] = np.nan  # a fold that did not train a step
    made = dataclasses.replace(made, losses=losses, probabilities=made.probabilities[:epochs], name="a $ and a $")
    draw_learning_curves(tmp_path / "a.png", made)
    image = matplotlib.image.imread(tmp_path / "a.png")
    assert image.shape[:2] == (975, 1200)
    assert min(pixels_of_colour(image, colour) for colour in (BLUE, ORANGE, GREY)) > 20


@pytest.mark.parametrize("members", [[0, 1, 2, 3], [0, 2]])
@pytest.mark.parametrize("loss", [np.nan, 0.5])
def test_learning_curves_of_a_system_without_epochs_are_single_points(tmp_path, members, loss):
    made = only(outcome_without_epochs(losses=np.full((1, 4), loss)), members)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw_learning_curves(tmp_path / "a.png", made)
    image = matplotlib.image.imread(tmp_path / "a.png")
    assert image.shape[:2] == (975, 1200)
    assert min(pixels_of_colour(image, colour) for colour in (BLUE, ORANGE, GREY)) > 20

"""The picture, the words and the JSON of a made-up explanation."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

from dfuse_jax import dmarkers
from dfuse_jax.evaluate.explanation import ENCODER, Explanation, Player
from dfuse_jax.report import explanation as report
from dfuse_jax.systems.attribution import GROUPS
from dfuse_jax.systems.still import PARTS

FRAMES = 60


def made_up(models=3) -> Explanation:
    """Lips at the smile's height pull towards spontaneous by 20 points, the moving face by 5 towards posed."""
    shapley = np.zeros((models, 10))
    shapley[:, GROUPS.index(("lip", "apex"))] = 0.2
    shapley[:, 9] = -0.05
    frames = np.full((models, FRAMES), np.nan)
    frames[:, 10:26] = np.linspace(-0.02, 0.03, 16)
    gradients = np.full((models, 225), 0.001)
    return Explanation(
        name="talk",
        run="mine",
        note="A made-up run.",
        players=(*(Player(*group) for group in GROUPS), ENCODER),
        start=np.full(models, 0.5),
        probability=np.full(models, 0.65),
        shapley=shapley,
        gradients=gradients,
        gradient_difference=gradients.sum(axis=1),
        parts={part: np.full(models, 0.01 * n) for n, part in enumerate(PARTS)},
        frames=frames,
        windows=np.array([[10, 26]]),
        background="16 of the training videos",
    )


def test_a_line_names_the_largest_effects_in_plain_words():
    line = report.describe(made_up())
    assert line.startswith("from 50.0% on average for 16 of the training videos to 65.0%: ")
    assert "lips at the smile's height +20.0, the moving face itself −5.0, " in line


def test_the_json_adds_up_and_says_what_it_does_not_mean():
    content = json.loads(json.dumps(report.to_json(made_up(), fps=30.0), allow_nan=False))
    effects = {player["player"]: player["mean"] for player in content["players"]}
    assert effects["lip_apex"] == pytest.approx(0.2) and effects["encoder"] == pytest.approx(-0.05)
    total = content["start"]["mean"] + sum(effects.values())
    assert total == pytest.approx(content["probability"]["mean"]) and content["largest_error_of_the_sum"] < 1e-12
    gradients = content["integrated_gradients"]
    assert set(gradients["dmarkers"]) == set(dmarkers.FEATURE_NAMES) and gradients["largest_error_of_the_sum"] < 1e-12
    assert [frame["frame"] for frame in content["held_still"]["frames"]] == list(range(10, 26))
    assert content["held_still"]["frames"][0]["second"] == pytest.approx(10 / 30, abs=1e-4)
    assert "nor what the person felt" in content["limits"][0] and "gradients explain nothing" in content["limits"][2]


def test_a_zero_has_no_minus():
    assert (report._points(-0.0001), report._points(-0.012)) == ("+0.0", "−1.2")


def without_encoder(explanation):
    return dataclasses.replace(
        explanation,
        players=explanation.players[:9],
        shapley=explanation.shapley[:, :9],
        parts={},
        frames=np.full((3, FRAMES), np.nan),
    )


def without_dmarkers(explanation):
    return dataclasses.replace(
        explanation,
        players=(ENCODER,),
        shapley=explanation.shapley[:, 9:],
        gradients=None,
        gradient_difference=None,
    )


@pytest.mark.parametrize("change", [lambda explanation: explanation, without_encoder, without_dmarkers])
def test_the_picture_shows_both_colours_where_there_are_both_effects(change, tmp_path):
    explanation = change(made_up())
    time = np.linspace(0, 1, FRAMES)
    curves = np.stack([1 - 0.2 * time, time, time**2])
    phases = np.array([[5.0, 20.0], [20.0, 40.0], [np.nan, np.nan]])
    report.draw(
        tmp_path / "why.png", explanation, dmarkers.Signals(curves, curves, curves), phases, fps=30.0, title="talk"
    )
    with Image.open(tmp_path / "why.png") as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    assert min(pixels.shape[:2]) > 800
    # Vermilion is far redder than blue, blue far bluer than red.
    red, blue = (pixels[..., 0] - pixels[..., 2] > 150).mean(), (pixels[..., 2] - pixels[..., 0] > 150).mean()
    assert blue > 1e-4 and red > 1e-4


def test_a_json_without_players_of_a_kind_leaves_them_out():
    assert "held_still" not in report.to_json(without_encoder(made_up()), fps=30.0)
    assert "integrated_gradients" not in report.to_json(without_dmarkers(made_up()), fps=30.0)

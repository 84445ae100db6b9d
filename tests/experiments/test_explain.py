"""Explanations of a finished run: they are of the answer that is given, add up, and a command writes them."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from scripts import launch, refused

import dfuse_jax
from dfuse_jax import samples
from dfuse_jax.commands import predict as command
from dfuse_jax.data import synthetic
from dfuse_jax.experiments import explain, predict, training_data
from dfuse_jax.runtime.errors import UserError


@pytest.fixture(scope="module")
def asked(finished):
    """One of the run's models, a smile that it does not know, and the explanation."""
    trained = predict.load(finished[0]).some(1)
    (sample,) = synthetic.generate(2, 1, seed=9, frames=(40, 40))[:1]
    explainer = explain.explainer(trained)
    return trained, sample, explainer, explainer.explain(sample)


@pytest.mark.slow
def test_it_explains_the_probability_that_is_predicted(asked):
    trained, sample, _, explanation = asked
    np.testing.assert_allclose(explanation.probability, trained.predict(sample), atol=1e-6)
    assert explanation.residual < 1e-5
    total = explanation.gradients.sum(axis=1)
    np.testing.assert_allclose(total, explanation.gradient_difference, rtol=1e-3, atol=1e-5)
    assert [player.name for player in explanation.players][-2:] == ["lip_offset", "encoder"]
    assert explanation.background == "16 of the training videos" and explanation.notes == ()


@pytest.mark.slow
def test_frames_are_explained_where_clips_show_them(asked):
    *_, explanation = asked
    shown = np.zeros(40, bool)
    for begin, end in explanation.windows:
        assert 0 <= begin and end - begin == 16
        shown[begin:end] = True
    assert (np.isfinite(explanation.frames[0]) == shown).all()
    assert set(explanation.parts) == {"eyes", "cheeks", "lips", "the rest"}


@pytest.mark.slow
def test_a_face_that_never_moves_has_nothing_to_hold_still(asked):
    """Its clips are those of the face at rest, whatever is held."""
    _, sample, explainer, _ = asked
    frozen = dataclasses.replace(sample, landmarks=np.repeat(sample.landmarks[:1], 20, axis=0))
    explanation = explainer.explain(frozen)
    assert np.abs(explanation.frames[np.isfinite(explanation.frames)]).max() < 1e-4
    assert max(abs(float(values[0])) for values in explanation.parts.values()) < 1e-4


def test_other_coordinates_than_the_images_are_refused(asked):
    trained, *_ = asked
    config = {**trained.config, "train": {**trained.config["train"], "clip_coordinates": "face"}}
    other = dataclasses.replace(trained, results={**trained.results, "config": config})
    with pytest.raises(UserError, match="in the coordinates 'face' cannot be explained, only in 'image'"):
        explain.explainer(other)


@pytest.mark.slow
def test_a_clip_alone_adds_up(asked):
    trained, sample, explainer, _ = asked
    (features,) = trained.system.inputs([sample]).per_video["dmarkers"]
    clip = dataclasses.replace(sample, landmarks=sample.landmarks[:16])
    contributions = explainer.contributions(clip.landmarks, features)
    assert len(contributions.values) == 10
    assert contributions.start + contributions.values.sum() == pytest.approx(contributions.probability, abs=1e-6)
    with pytest.raises(ValueError, match=r"20 frames, expected a clip of 16\."):
        explainer.contributions(sample.landmarks[:20], features)


def test_background_videos_are_training_videos_of_both_classes(finished):
    trained = predict.load(finished[0])
    data = training_data.read(trained)
    for fold in (1, 2, 3):
        chosen = explain._draw(data, fold)
        assert len(set(chosen.tolist())) == min(16, len(data.folds[fold - 1].train))
        assert set(chosen.tolist()) <= set(data.folds[fold - 1].train.tolist())
        assert sum(data.samples[v].label for v in chosen) == len(chosen) // 2


@pytest.mark.slow
def test_an_exported_model_needs_a_background_unless_its_smiles_are_synthetic(asked, finished, tmp_path):
    trained, sample, _, explanation = asked
    exported = predict.load(finished[0]).export(tmp_path / "model.npz")
    ((run, fold),) = trained.models
    if (run, fold) == (1, 1):
        np.testing.assert_allclose(dfuse_jax.explain(exported, sample).shapley, explanation.shapley, atol=1e-6)
    config = {**exported.config, "data": {**exported.config["data"], "source": "folder", "dir": ""}}
    foreign = dataclasses.replace(exported, results={**exported.results, "config": config})
    with pytest.raises(UserError, match="does not hold the videos that trained it") as refusal:
        explain.explainer(foreign)
    assert refusal.value.remedy == "background"
    others = synthetic.generate(4, 2, seed=3)
    assert explain.explainer(foreign, others).background == "4 other videos"


def test_training_videos_that_have_changed_are_refused(finished, tmp_path):
    shutil.copytree(finished[0], tmp_path / "run")
    (tmp_path / "run" / "data.json").write_text(json.dumps({"videos": 1}))
    with pytest.raises(UserError, match="not the videos that the run was trained on"):
        explain.explainer(predict.load(tmp_path / "run"))


@pytest.mark.slow
def test_the_command_writes_picture_and_json_and_says_why(finished, asked, tmp_path, capsys):
    _, sample, _, explanation = asked
    samples.save(sample, tmp_path / "smile.npz")
    out, name = tmp_path / "out", sample.name

    def run(form):
        options = {"models": 1, "explained": True, "background": None, "pixel_aspect": None, "fps": None}
        command.predict([str(tmp_path / "smile.npz")], str(finished[0]), out, form=form, **options)
        return capsys.readouterr().out

    printed = run("text")
    assert "why: from " in printed and "16 of the training videos" in printed
    files = {f"{name}.png", f"{name}_explained.png", f"{name}_explained.json"}
    assert {path.name for path in out.iterdir()} == files
    content = json.loads((out / f"{name}_explained.json").read_text())
    assert content["probability"]["mean"] == pytest.approx(explanation.probability[0], abs=1e-6)
    (row,) = json.loads(run("json"))["videos"]
    assert row["explanation"] == str(out / f"{name}_2_explained.json")
    assert len(list(out.iterdir())) == 6  # nothing is written over
    header, line = run("csv").splitlines()
    assert header.endswith(",run,explanation") and line.endswith(f"{name}_3_explained.json")


def test_the_command_refuses_a_background_without_an_explanation(finished, tmp_path):
    refused(launch("predict", "--checkpoint", finished[0], "x.npz", "--background", tmp_path), "give --explain, too")

"""Embeddings of a finished run: each video by its own fold's model, and the numbers within the folds."""

import csv
import dataclasses
import json
import types

import jax
import numpy as np
import pytest
from PIL import Image
from smiles import rotation

from dfuse_jax.commands import embed as command
from dfuse_jax.experiments import embed, predict, training_data
from dfuse_jax.runtime.errors import UserError


@pytest.fixture(scope="module")
def folds(finished):
    trained = predict.load(finished[0])
    return trained, training_data.read(trained), embed.embed_folds(trained, training_data.read(trained), repetitions=1)


@pytest.mark.slow
def test_every_video_is_embedded_once_and_its_logit_is_linear_in_it(folds):
    trained, data, embedded = folds
    assert sorted(np.concatenate([fold.test for fold in embedded])) == list(range(len(data.samples)))
    # With one clip a video, the last layer on its embedding is the very prediction of its fold's model.
    settings = dataclasses.replace(trained.system.settings, eval_windows=1)
    system = dataclasses.replace(trained.system, settings=settings)
    (model,) = [n for n, pair in enumerate(trained.models) if pair == (1, 2)]
    fitted = system.unpack(system.pack(trained.fitted, [model]))
    inputs = system.inputs([data.samples[v] for v in embedded[1].test])
    head = jax.tree.map(lambda x: np.asarray(x[0]), fitted.params["head"])
    logits = (system.embed(fitted, inputs)[0] @ head["kernel"] + head["bias"])[:, 0]
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), system.predict(fitted, inputs)[0], atol=1e-5)
    assert embedded[1].vectors.shape == (len(embedded[1].test), len(head["kernel"]))


def made_up_folds(anchors=12):
    """Three models that see the same points, each from a side of its own; the last videos train all of them."""
    rng = np.random.default_rng(0)
    points = rng.normal(size=(30 + anchors, 3))
    trained = np.arange(30, 30 + anchors)
    folds = []
    for number in range(3):
        seen = (number + 1) * points @ rotation(rng) + rng.normal(size=3)
        test = np.arange(10 * number, 10 * number + 10)
        folds.append(embed.Fold(1, number + 1, test, seen[test], trained, seen[trained]))
    return folds, points


def test_spaces_are_brought_together_by_shared_training_videos():
    folds, points = made_up_folds()
    together, explained = embed.bring_together(folds)
    np.testing.assert_allclose(explained, 1, atol=1e-9)
    joined = np.concatenate(together)

    def distances(x):
        return np.linalg.norm(x[:, None] - x[None], axis=-1)

    np.testing.assert_allclose(distances(joined), distances(points[:30]), atol=1e-9)


def test_folds_without_shared_training_videos_are_centred_only():
    together, explained = embed.bring_together(made_up_folds(anchors=0)[0])
    assert explained is None
    for vectors in together:
        np.testing.assert_allclose(vectors.mean(axis=0), 0, atol=1e-9)
        assert (vectors**2).sum(axis=1).mean() == pytest.approx(1)


@pytest.mark.slow
def test_test_videos_and_strangers_have_no_part_in_bringing_spaces_together(folds):
    _, data, embedded = folds
    for fold in embedded:
        assert set(fold.anchors) <= set(data.folds[fold.fold - 1].train) & set(data.folds[0].train)


@pytest.mark.slow
def test_the_command_draws_runs_side_by_side_and_writes_the_numbers(finished, tmp_path, capsys):
    out = tmp_path / "out"
    command.embed([str(finished[0])] * 2, str(out), repetitions=2)
    printed = capsys.readouterr().out
    results = json.loads((out / "results.json").read_text())
    assert [run["name"] for run in results["runs"]] == ["hadamard-demo (1)", "hadamard-demo (2)"]
    first = results["runs"][0]
    assert len(first["folds"]) == 6 and first["videos"] == 24  # 3 folds, twice
    assert first["silhouette"]["lowest"] <= first["silhouette"]["mean"] <= first["silhouette"]["highest"]
    assert abs(first["shuffled"]["mean"]) < 0.1
    assert f"silhouette {first['silhouette']['mean']:.2f}" in printed
    with (out / "embeddings.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 48 and {row["label"] for row in rows} == {"spontaneous", "posed"}
    with np.load(out / "embeddings.npz") as file:
        vectors = file["hadamard-demo (1)/vectors"]
    assert vectors.shape == (24, first["width"])
    np.testing.assert_allclose([float(rows[0][f"e{n}"]) for n in range(first["width"])], vectors[0], rtol=1e-4)
    with Image.open(out / "figure.png") as image:
        assert min(image.size) > 800


@pytest.mark.slow
def test_what_has_no_embeddings_is_refused(finished, folds, tmp_path):
    trained = folds[0]
    exported = tmp_path / "model.npz"
    trained.export(exported)
    with pytest.raises(UserError, match="does not say which videos did not train it"):
        embed.embed([exported], tmp_path)
    with pytest.raises(UserError, match="belongs to a run, whose results would be written over"):
        embed.embed([finished[0]], finished[0])
    with pytest.raises(UserError, match="--out DIR"):
        command.embed([str(finished[0])], None, repetitions=1)
    classical = dataclasses.replace(trained, system=types.SimpleNamespace(name="cohn04"))
    with pytest.raises(UserError, match="'cohn04' has no embeddings"):
        embed._check(classical, 1)
    with pytest.raises(UserError, match="1 to 2 of them"):
        embed._check(trained, 3)

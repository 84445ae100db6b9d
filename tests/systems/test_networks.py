"""The networks of earlier systems as systems: each trains, reports and predicts, at a tiny size."""

import dataclasses
import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from goldens import GOLDEN, NETWORKS
from PIL import Image

from dfuse_jax import systems
from dfuse_jax.data import synthetic
from dfuse_jax.experiments import crossval, predict
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.samples import Sample
from dfuse_jax.systems import deepmarkernet, pictures, pointclouds, realsmilenet
from dfuse_jax.systems.classifier import Outputs, to_logits

ENCODER = {"points": 20, "neighbours": 4, "entry": 4, "blocks": ((16, 2),), "curves": 4, "steps": 2, "tokens": 2}
ENCODER |= {"depth": 1, "time_depth": 0, "heads": 1, "head_width": 8, "mlp": 8}
TINY = {
    "meshsmilenet": ENCODER,
    "deepmarkernet": ENCODER,
    "frame_vit": {"side": 16, "patch": 8, "width": 8, "depth": 1, "heads": 1, "head_width": 8, "mlp": 8},
    "realsmilenet": {"stride": 40},
    "landmark_vit": {"points": 12, "width": 8, "depth": 1, "heads": 1, "head_width": 8, "mlp": 8},
    "pstnet": {"points": 32, "neighbours": 3, "widths": ((4, 4),) * 6},
    "p4transformer": {"points": 24, "neighbours": 3, "width": 8, "depth": 1, "heads": 1, "head_width": 8, "mlp": 8},
}


def recipe(name, **fields):
    config = importlib.import_module(f"configs.{name}").get_config()
    config.data.update(videos=12, subjects=6)
    config.cv.update(folds=2, validation_share=0.34)
    config.model.update(TINY[name])
    config.train.update(epochs=2, batch_size=4, clip_frames=6, eval_windows=1, checkpoint_every=1)
    config.update_from_flattened_dict(fields)
    return config


# The encoder of MeshSmileNet takes long to compile; other tests train it too.
@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("landmark_vit", {}),
        pytest.param("frame_vit", {}, marks=pytest.mark.slow),
        pytest.param("realsmilenet", {}, marks=pytest.mark.slow),
        pytest.param("pstnet", {}, marks=pytest.mark.slow),
        pytest.param("p4transformer", {}, marks=pytest.mark.slow),
        pytest.param("meshsmilenet", {}, marks=pytest.mark.slow),
        pytest.param("deepmarkernet", {}, marks=pytest.mark.slow),
        pytest.param("deepmarkernet", {"loss.name": "paper"}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_it_is_cross_validated_and_predicts(name, fields, tmp_path):
    results = crossval.cross_validate(recipe(name, **fields), tmp_path)
    assert results["config"]["system"] == name
    assert set(results["protocols"]) >= {"validated", "final", "peeked", "length_only"}
    (sample,) = synthetic.generate(2, 1, seed=9)[:1]
    probabilities = predict.load(tmp_path).predict(sample)
    assert probabilities.shape == (2,) and ((probabilities > 0) & (probabilities < 1)).all()


@pytest.mark.parametrize("name", TINY)
def test_the_example_has_the_shapes_of_the_inputs(name):
    system = systems.build(recipe(name).to_dict())
    inputs = system.inputs(synthetic.generate(2, 1, seed=0, frames=(20, 20)))

    def compare(actual, example):
        assert actual.shape[1:] == example.shape[1:] and actual.dtype == example.dtype

    jax.tree.map(compare, inputs.per_frame, system.example.per_frame)
    jax.tree.map(compare, inputs.per_video, system.example.per_video)


def test_frames_are_shifted_within_their_video():
    """Two videos of 3 and 2 frames; 5 is the frame of zeros."""
    index = pointclouds.shifted(np.array([0, 3]), np.array([3, 2]), (-1, 0, 2))
    assert index.tolist() == [[5, 0, 2], [0, 1, 5], [1, 2, 5], [5, 3, 5], [3, 4, 5], [5, 5, 5]]


def test_deepmarkernets_published_loss_and_the_papers():
    """The published one is that of the golden values; the other is by hand."""
    outputs = deepmarkernet.Outputs(
        logits=jnp.log(jnp.array([0.8, 0.4]) / jnp.array([0.2, 0.6])),
        dmarkers=jnp.asarray(NETWORKS["deepmarkernet/train_dmarkers"]),
        targets=jnp.asarray(NETWORKS["deepmarkernet/clips_features216"]),
    )
    cross_entropy = -(np.log(0.8) + np.log(0.6)) / 2
    error = NETWORKS["deepmarkernet/train_mse"]
    label = jnp.array([1.0, 0.0])
    authors = deepmarkernet.Network(None, "authors", 0.5).loss(outputs, label, {}, {})
    np.testing.assert_allclose(authors, 0.2 * cross_entropy + 0.8 / (1 + np.exp(-error)), rtol=1e-5)
    paper = deepmarkernet.Network(None, "paper", 0.5).loss(outputs, label, {}, {})
    np.testing.assert_allclose(paper, cross_entropy + 0.5 * error, rtol=1e-5)


def test_deepmarkernet_computes_its_targets_of_the_clip():
    network = deepmarkernet.Network(None, "authors", 0.5)
    markers = jnp.asarray(GOLDEN["clips"][:, :, np.array([33, 159, 133, 362, 386, 263, 50, 280, 1, 62, 308])])
    targets = network.targets({"markers": markers}, {})
    np.testing.assert_allclose(targets, NETWORKS["deepmarkernet/clips_features216"], rtol=1e-3, atol=1e-2)


def test_realsmilenet_sees_every_fifth_frame_with_a_face_and_sometimes_the_last():
    """14 frames without the second: 13 are left, of which 0, 5 and 10 remain; of 14, the last comes on top."""
    sample = Sample("a", np.zeros((14, 478, 3), np.float32), 25.0, (64, 64))
    assert pictures.sampled(sample, 5).tolist() == [0, 5, 10, 13]
    assert pictures.sampled(dataclasses.replace(sample, interpolated=(1,)), 5).tolist() == [0, 6, 11]


def test_realsmilenets_penalty_is_a_thousandth_of_the_sum_of_norms_and_has_a_gradient_at_0():
    params = {"a": jnp.array([3.0, 4.0]), "b": jnp.zeros(2)}
    network, outputs = realsmilenet.Network(None), Outputs(jnp.zeros(2))
    loss, gradient = jax.value_and_grad(lambda p: network.loss(outputs, jnp.array([0.0, 1.0]), {}, p))(params)
    np.testing.assert_allclose(loss, np.log(2) + 0.005, rtol=1e-6)
    np.testing.assert_allclose(gradient["a"], [0.0006, 0.0008], rtol=1e-5)
    assert gradient["b"].tolist() == [0, 0]


def test_chips_are_made_smaller_by_pillow():
    chips = np.random.default_rng(0).integers(0, 256, (2, 128, 128, 3), np.uint8)
    expected = Image.fromarray(chips[1]).resize((48, 48), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(pictures.shrink(chips, 48)[1], np.asarray(expected))


def test_the_score_of_a_class_less_the_others_is_its_logit():
    scores = jnp.array([[0.3, 1.1], [2.0, -1.0]])
    np.testing.assert_allclose(jax.nn.sigmoid(to_logits(scores)), jax.nn.softmax(scores)[:, 1], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "fields", "words"),
    [
        ("pstnet", {"model.variant": "paper"}, r"config\.model\.variant is 'paper'; it must be one of ours, authors"),
        ("pstnet", {"model.widths": ((1, 2),)}, r"config\.model\.widths is \(\(1, 2\),\); it must be 6 pairs"),
        ("pstnet", {"model.points": 8}, r"config\.model\.points is 8; it must be from 16 to 478"),
        ("pstnet", {"train.clip_frames": 3}, r"config\.train\.clip_frames is 3; it must be at least 4"),
        ("p4transformer", {"model.points": 3}, r"config\.model\.points is 3; it must be from 4 to 478"),
        ("frame_vit", {"model.side": 20}, r"config\.model\.side is 20; it must be a multiple of the patch, 8"),
        ("realsmilenet", {"loss.penalty": -1.0}, r"config\.loss\.penalty is -1\.0; it must be at least 0"),
        ("realsmilenet", {"model.stride": 0}, r"config\.model\.stride is 0"),
        ("landmark_vit", {"model.dropout": 1.0}, r"config\.model\.dropout is 1\.0"),
        ("deepmarkernet", {"loss.name": "mse"}, r"config\.loss\.name is 'mse'; it must be one of authors, paper"),
        ("meshsmilenet", {"model.curves": 0}, r"config\.model\.curves is 0"),
    ],
)
def test_a_field_that_cannot_be_is_named(name, fields, words):
    with pytest.raises(UserError, match=words):
        systems.build(recipe(name, **fields))

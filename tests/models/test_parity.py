"""The full-size model against values computed with the authors' PyTorch code, in float64.

tests/data/models.npz and models.json hold those values: inputs, embedding, probabilities, losses and gradient norms,
and the tensors' names and shapes. Of the point encoder's output every 12th point is kept, and all means. Weights are
not stored: each tensor is a fixed function of its name (`weights`). The names are the published ones, so `from_torch`
is under test as well.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util
from goldens import ENCODER, GOLDEN, TENSORS, head
from networks import BLIND, fast_to_compile, ignore_blind
from smiles import precision

from dfuse_jax.models import DFuseSmileNet, from_torch, head_from_torch
from dfuse_jax.models.authors.names import torch_name

NARROW = [fusion for fusion in TENSORS["head"] if "bilinear" in fusion]  # published on another encoder
STANDARD = [fusion for fusion in TENSORS["head"] if fusion not in NARROW]

pytestmark = ignore_blind


def split(variables: dict) -> tuple[dict, dict]:
    """The parameters of the head, and those of the encoder with all batch statistics."""
    parts = ({}, {})
    for name, value in variables["params"].items():
        parts[name in ("point_encoder", "tokens", "tokens_norm", "transformer")][name] = value
    return parts[0], {**variables, "params": parts[1]}


def classify(fusion: str, params: dict, frames, **settings):
    model = DFuseSmileNet(fusion=fusion, variant="authors", dropout=0.0)
    return model.apply({"params": params}, frames, GOLDEN["dmarkers"], method="classify", **settings)


@pytest.fixture(scope="module")
def heads() -> dict[str, dict]:
    return {fusion: split(from_torch(ENCODER | head(fusion), fusion))[0] for fusion in STANDARD}


@pytest.fixture(scope="module")
def encoder() -> dict:
    return split(from_torch(ENCODER | head("hadamard"), "hadamard"))[1]


def encode(encoder: dict, **settings):
    model = DFuseSmileNet(variant="authors", dropout=0.0)
    return model.apply(encoder, jnp.asarray(GOLDEN["clips"], float), method="encode", **settings)


@pytest.fixture(scope="module")
def evaluated(encoder, heads):
    """Point features, embedding, and probabilities by fusion, in evaluation."""

    @fast_to_compile
    def run(encoder, heads):
        capture = {"capture_intermediates": lambda module, _: module.name == "point_encoder"}
        frames, captured = encode(encoder, **capture, mutable=["intermediates"])
        points = captured["intermediates"]["point_encoder"]["__call__"][0]
        logits = {fusion: classify(fusion, heads[fusion], frames) for fusion in STANDARD}
        return points[0], jnp.mean(frames, axis=1), jax.tree.map(jax.nn.sigmoid, logits)

    with precision(True):
        return jax.device_get(run(encoder, heads))


@pytest.fixture(scope="module")
def trained(encoder, heads):
    """By fusion: probabilities, loss, and gradient norms of head and encoder; None if the encoder gets exactly 0.

    The encoder is the same for all, so it is run once, and its pullback once for each fusion's gradient with respect to
    the frames.
    """

    def norms(gradients):
        return jax.tree.map(jnp.linalg.norm, gradients)

    def loss(head, frames, fusion):
        logits = classify(fusion, head, frames, train=True)
        return jnp.mean(jax.nn.softplus(logits) - GOLDEN["labels"] * logits), jax.nn.sigmoid(logits)

    def forward(params):
        return encode({**encoder, "params": params}, train=True, mutable=["batch_stats"])[0]

    @fast_to_compile
    def head_gradients(heads, frames):
        return {f: jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(heads[f], frames, f) for f in STANDARD}

    with precision(True):
        frames, pull = fast_to_compile(lambda params: jax.vjp(forward, params))(encoder["params"])
        encoder_norms = jax.jit(lambda pull, frames_gradient: norms(pull(frames_gradient)[0]))
        result = {}
        for fusion, (aux, (head_gradient, frames_gradient)) in head_gradients(heads, frames).items():
            gradient_norms = encoder_norms(pull, frames_gradient) if jnp.any(frames_gradient) else None
            result[fusion] = jax.device_get((*aux, norms(head_gradient), gradient_norms))
    return result


def test_point_encoder(evaluated):
    points = evaluated[0]
    np.testing.assert_allclose(points[::12], GOLDEN["frame0_rows"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(points.mean(axis=1), GOLDEN["frame0_point_means"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(points.mean(axis=0), GOLDEN["frame0_feature_means"], rtol=0, atol=1e-9)


def test_embedding(evaluated):
    np.testing.assert_allclose(evaluated[1], GOLDEN["embedding"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("fusion", STANDARD)
def test_evaluation(fusion, evaluated):
    np.testing.assert_allclose(evaluated[2][fusion], GOLDEN[f"{fusion}/eval_prob"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("fusion", NARROW)
def test_bilinear_head(fusion):
    """From the narrower encoder's embedding, as a clip of one frame."""
    with precision(True):
        params = head_from_torch({**head(fusion), "encoder.conv0.0.weight": 0, "feature_proj.bias": 0}, fusion)[
            "params"
        ]
        logits = classify(fusion, params, jnp.asarray(GOLDEN["narrow_embedding"])[:, None])
        np.testing.assert_allclose(jax.nn.sigmoid(logits), GOLDEN[f"{fusion}/eval_prob"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("fusion", STANDARD)
def test_training(fusion, trained):
    loss, probability, head_norms, encoder_norms = trained[fusion]
    np.testing.assert_allclose(loss, GOLDEN[f"{fusion}/train_loss"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(probability, GOLDEN[f"{fusion}/train_prob"], rtol=0, atol=1e-6)

    names = [name for name in TENSORS["encoder"] if "running" not in name]
    expected = dict(zip([*names, *TENSORS["head"][fusion]], GOLDEN[f"{fusion}/gradient_norms"], strict=True))
    assert (encoder_norms is None) == (fusion in BLIND)
    if fusion in BLIND:
        assert not any(expected[name] for name in names)
        expected = {name: expected[name] for name in TENSORS["head"][fusion]}
    flat = traverse_util.flatten_dict({"params": {**head_norms, **(encoder_norms or {})}}, sep="/")
    actual = {torch_name(path, fusion): float(norm) for path, norm in flat.items()}
    assert actual.keys() == expected.keys()
    np.testing.assert_allclose([actual[name] for name in expected], list(expected.values()), rtol=1e-4, atol=1e-12)

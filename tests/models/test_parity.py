"""The full-size model against values computed with the authors' PyTorch code, in float64.

MeshSmileNet and DeepMarkerNet have the same encoder, and so they are tested here too, against networks.npz.

tests/data/models.npz and models.json hold those values: inputs, embedding, probabilities, losses and gradient norms,
and the tensors' names and shapes. Of the point encoder's output every 12th point is kept, and all means. Weights are
not stored: each tensor is a fixed function of its name (`weights`). The names are the published ones, so `from_torch`
is under test as well.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from clips import gradient_norms
from flax import traverse_util
from goldens import ENCODER, GOLDEN, NETWORK_FACTS, NETWORKS, TENSORS, head, network_state
from networks import BLIND, fast_to_compile, ignore_blind
from smiles import precision

from dfuse_jax.models import DeepMarkerNet, DFuseSmileNet, from_torch, head_from_torch, sizes, system_from_torch
from dfuse_jax.models.authors.names import torch_name
from dfuse_jax.models.authors.systems import torch_names

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


@pytest.fixture(scope="module", params=["plain", pytest.param("fused", marks=pytest.mark.slow)])
def kernels(request) -> str:
    """Those of the encoder; the fused ones are interpreted."""
    return request.param


def encode(encoder: dict, kernels: str, **settings):
    model = DFuseSmileNet(variant="authors", dropout=0.0, kernels=kernels)
    return model.apply(encoder, jnp.asarray(GOLDEN["clips"], float), method="encode", **settings)


EARLIER = {
    "meshsmilenet": DFuseSmileNet(fusion="none", variant="authors", dropout=0.0),
    "deepmarkernet": DeepMarkerNet(variant="authors", dropout=0.0),
}


@pytest.fixture(scope="module")
def earlier_heads() -> dict[str, dict]:
    return {name: split(system_from_torch(network_state(name), model))[0] for name, model in EARLIER.items()}


def predict_earlier(name: str, params: dict, frames, **settings):
    """Logits and, of DeepMarkerNet, the regressed D-Markers."""
    model = EARLIER[name]
    logits = model.apply({"params": params}, frames, method="classify", **settings)
    regressed = model.apply({"params": params}, frames, method="regress") if name == "deepmarkernet" else None
    return logits, regressed


@pytest.fixture(scope="module")
def evaluated(encoder, heads, earlier_heads, kernels):
    """Point features, embedding, probabilities by fusion, and the earlier systems' predictions, in evaluation."""

    @fast_to_compile
    def run(encoder, heads, earlier_heads):
        capture = {"capture_intermediates": lambda module, _: module.name == "point_encoder"}
        frames, captured = encode(encoder, kernels, **capture, mutable=["intermediates"])
        points = captured["intermediates"]["point_encoder"]["__call__"][0]
        logits = {fusion: classify(fusion, heads[fusion], frames) for fusion in STANDARD}
        earlier = {name: predict_earlier(name, head, frames) for name, head in earlier_heads.items()}
        return points[0], jnp.mean(frames, axis=1), jax.tree.map(jax.nn.sigmoid, logits), earlier

    with precision(True):
        return jax.device_get(run(encoder, heads, earlier_heads))


@pytest.fixture(scope="module")
def training(encoder, kernels):
    """The embeddings of frames in training, and a function from a gradient with respect to them to the encoder's norms.

    The encoder is the same for all, so it is run once, and its pullback once for each network.
    """

    def forward(params):
        return encode({**encoder, "params": params}, kernels, train=True, mutable=["batch_stats"])[0]

    with precision(True):
        frames, pull = fast_to_compile(lambda params: jax.vjp(forward, params))(encoder["params"])
        pulled = jax.jit(lambda pull, gradient: jax.tree.map(jnp.linalg.norm, pull(gradient)[0]))

    def norms(gradient):
        return pulled(pull, gradient) if jnp.any(gradient) else None

    return frames, norms


@pytest.fixture(scope="module")
def trained(heads, training):
    """By fusion: probabilities, loss, and gradient norms of head and encoder; None if the encoder gets exactly 0."""
    frames, encoder_norms = training

    def loss(head, frames, fusion):
        logits = classify(fusion, head, frames, train=True)
        return jnp.mean(jax.nn.softplus(logits) - GOLDEN["labels"] * logits), jax.nn.sigmoid(logits)

    @fast_to_compile
    def head_gradients(heads, frames):
        return {f: jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(heads[f], frames, f) for f in STANDARD}

    with precision(True):
        result = {}
        for fusion, (aux, (head_gradient, frames_gradient)) in head_gradients(heads, frames).items():
            head_norms = jax.tree.map(jnp.linalg.norm, head_gradient)
            result[fusion] = jax.device_get((*aux, head_norms, encoder_norms(frames_gradient)))
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


@pytest.mark.parametrize(("name", "parameters"), [("meshsmilenet", 4_896_337), ("deepmarkernet", 4_952_361)])
def test_parameters_of_the_earlier_systems(name, parameters):
    assert sizes.count_parameters(EARLIER[name]) == parameters == NETWORK_FACTS[name]["parameters"]


@pytest.mark.parametrize("name", EARLIER)
def test_evaluation_of_the_earlier_systems(name, evaluated):
    logits, regressed = evaluated[3][name]
    np.testing.assert_allclose(jax.nn.sigmoid(logits), NETWORKS[f"{name}/eval_prob"], rtol=0, atol=1e-6)
    if regressed is not None:
        np.testing.assert_allclose(regressed, NETWORKS["deepmarkernet/eval_dmarkers"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", EARLIER)
def test_training_of_the_earlier_systems(name, earlier_heads, training):
    """DeepMarkerNet's loss is the published one, 0.2 BCE + 0.8 sigmoid(MSE), as `systems.deepmarkernet` has it."""
    frames, encoder_norms = training

    def loss(head, frames):
        logits, regressed = predict_earlier(name, head, frames)
        cross_entropy = jnp.mean(jax.nn.softplus(logits) - GOLDEN["labels"] * logits)
        if regressed is None:
            return cross_entropy, (logits, None, None)
        error = jnp.mean((regressed - NETWORKS["deepmarkernet/clips_features216"]) ** 2)
        return 0.2 * cross_entropy + 0.8 * jax.nn.sigmoid(error), (logits, regressed, error)

    with precision(True):
        step = fast_to_compile(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))
        (value, (logits, regressed, error)), (head_gradient, frames_gradient) = step(earlier_heads[name], frames)
        norms = encoder_norms(frames_gradient)
        actual = gradient_norms(head_gradient) | {path: abs(norm) for path, norm in gradient_norms(norms).items()}
    np.testing.assert_allclose(value, NETWORKS[f"{name}/train_loss"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(jax.nn.sigmoid(logits), NETWORKS[f"{name}/train_prob"], rtol=0, atol=1e-6)
    if regressed is not None:
        np.testing.assert_allclose(regressed, NETWORKS["deepmarkernet/train_dmarkers"], rtol=0, atol=1e-6)
        np.testing.assert_allclose(error, NETWORKS["deepmarkernet/train_mse"], rtol=0, atol=1e-5)
    names, expected = torch_names(EARLIER[name], actual), NETWORK_FACTS[name]["gradient_norms"]
    assert set(names.values()) == set(expected)
    np.testing.assert_allclose(list(actual.values()), [expected[names[path]] for path in actual], rtol=1e-4, atol=1e-12)

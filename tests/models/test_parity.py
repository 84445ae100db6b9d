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
from goldens import ENCODER, GOLDEN, TENSORS, head
from smiles import precision

from dfuse_jax.models import DFuseSmileNet, from_torch, head_from_torch
from dfuse_jax.models.authors.names import name as torch_name

NARROW = [fusion for fusion in TENSORS["head"] if "bilinear" in fusion]  # published on another encoder
STANDARD = [fusion for fusion in TENSORS["head"] if fusion not in NARROW]
BLIND = ["attention", "multihead_attention", "cross_attention", "multihead_cross_attention"]

pytestmark = pytest.mark.filterwarnings("ignore:the fusion .* cannot see the encoder")


def split(variables: dict) -> tuple[dict, dict]:
    """Parameters of the head and of the encoder, the latter with all batch statistics."""
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

    @jax.jit
    def run(encoder, heads):
        of_points = {"capture_intermediates": lambda module, _: module.name == "point_encoder"}
        frames, seen = encode(encoder, **of_points, mutable=["intermediates"])
        points = seen["intermediates"]["point_encoder"]["__call__"][0]
        logits = {fusion: classify(fusion, heads[fusion], frames) for fusion in STANDARD}
        return points[0], jnp.mean(frames, axis=1), jax.tree.map(jax.nn.sigmoid, logits)

    with precision(True):
        return jax.device_get(run(encoder, heads))


@pytest.fixture(scope="module")
def trained(encoder, heads):
    """By fusion: probabilities, loss, and gradient norms of head and encoder; None if the encoder gets exactly 0.

    The encoder is the same for all, so it is run once, and its pullback once for each fusion's gradient by the frames.
    """

    def norms(gradients):
        return jax.tree.map(jnp.linalg.norm, gradients)

    def loss(head, frames, fusion):
        logits = classify(fusion, head, frames, train=True)
        return jnp.mean(jax.nn.softplus(logits) - GOLDEN["labels"] * logits), jax.nn.sigmoid(logits)

    def forward(params):
        return encode({**encoder, "params": params}, train=True, mutable=["batch_stats"])[0]

    @jax.jit
    def by_head(heads, frames):
        return {f: jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(heads[f], frames, f) for f in STANDARD}

    with precision(True):
        frames, pull = jax.jit(lambda params: jax.vjp(forward, params))(encoder["params"])
        by_encoder = jax.jit(lambda pull, by_frames: norms(pull(by_frames)[0]))
        result = {}
        for fusion, (aux, (of_head, by_frames)) in by_head(heads, frames).items():
            of_encoder = by_encoder(pull, by_frames) if jnp.any(by_frames) else None
            result[fusion] = jax.device_get((*aux, norms(of_head), of_encoder))
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
    loss, probability, of_head, of_encoder = trained[fusion]
    np.testing.assert_allclose(loss, GOLDEN[f"{fusion}/train_loss"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(probability, GOLDEN[f"{fusion}/train_prob"], rtol=0, atol=1e-6)

    names = [name for name in TENSORS["encoder"] if "running" not in name]
    expected = dict(zip([*names, *TENSORS["head"][fusion]], GOLDEN[f"{fusion}/gradient_norms"], strict=True))
    assert (of_encoder is None) == (fusion in BLIND)
    if fusion in BLIND:
        assert not any(expected[name] for name in names)
        expected = {name: expected[name] for name in TENSORS["head"][fusion]}
    flat = jax.tree_util.tree_flatten_with_path({**of_head, **(of_encoder or {})})[0]
    found = {torch_name("/".join(["params", *(key.key for key in path)]), fusion): float(v) for path, v in flat}
    assert found.keys() == expected.keys()
    np.testing.assert_allclose([found[name] for name in expected], list(expected.values()), rtol=1e-4, atol=1e-12)

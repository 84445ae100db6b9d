"""RealSmileNet: the published network's values in float64, and what its padding may not change."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from clips import gradient_norms
from goldens import NETWORK_FACTS, NETWORKS, network_state
from networks import fast_to_compile
from smiles import precision

from dfuse_jax.models import RealSmileNet, sizes, system_from_torch
from dfuse_jax.models.authors.systems import torch_names

PUBLISHED = RealSmileNet(variant="authors", channel_dropout=0.0)
OURS = RealSmileNet(channel_dropout=0.0)
PIXELS = NETWORKS["realsmilenet/frames_uint8"].transpose(0, 1, 4, 3, 2)  # the published code has [channel, x, y]
PRESENT = np.arange(10)[None] >= NETWORKS["realsmilenet/start"][:, None]
LABELS = jnp.array([1, 0, 1])


def clip(pixels=PIXELS, present=PRESENT):
    return {"pixels": jnp.asarray(pixels), "present": jnp.asarray(present)}


@pytest.fixture(scope="module")
def variables():
    with precision(True):
        return system_from_torch(network_state("realsmilenet"), PUBLISHED)


def probabilities(model, variables, clip):
    with precision(True):
        return np.asarray(jax.nn.sigmoid(fast_to_compile(model.apply)(variables, clip)))


def test_the_published_evaluation(variables):
    capture = {"capture_intermediates": True, "mutable": ["intermediates"]}
    with precision(True):
        logits, captured = fast_to_compile(lambda v, clip: PUBLISHED.apply(v, clip, **capture))(variables, clip())
        probability = jax.nn.sigmoid(logits)
    np.testing.assert_allclose(probability, NETWORKS["realsmilenet/eval_prob"][:, 0], rtol=0, atol=1e-9)
    for module, name in (("lstm", "convlstm_h"), ("non_local", "nonlocal")):
        value = captured["intermediates"][module]["__call__"][0].transpose(0, 3, 2, 1)
        np.testing.assert_allclose(value, NETWORKS[f"realsmilenet/{name}"], rtol=0, atol=1e-9)


def test_the_published_training_step(variables):
    """The loss is the cross-entropy and a penalty on the parameters' norms, as `systems.realsmilenet` has it."""

    def loss(params):
        logits, _ = PUBLISHED.apply(
            {**variables, "params": params}, clip(), train=True, dropout=0.0, mutable=["batch_stats"]
        )
        cross_entropy = jnp.mean(jax.nn.softplus(logits) - LABELS * logits)
        penalty = 0.001 * sum(jnp.linalg.norm(x) for x in jax.tree.leaves(params))
        return cross_entropy + penalty, (cross_entropy, penalty, jax.nn.sigmoid(logits))

    with precision(True):
        (_, parts), gradients = fast_to_compile(jax.value_and_grad(loss, has_aux=True))(variables["params"])
        actual = gradient_norms(gradients)
    for value, name in zip(parts, ("train_bce", "train_penalty", "train_prob"), strict=True):
        np.testing.assert_allclose(value, np.squeeze(NETWORKS[f"realsmilenet/{name}"]), rtol=0, atol=1e-9)
    names, expected = torch_names(PUBLISHED, actual), NETWORK_FACTS["realsmilenet"]["gradient_norms"]
    assert set(names.values()) == set(expected)
    np.testing.assert_allclose(list(actual.values()), [expected[names[path]] for path in actual], rtol=1e-4)


def test_a_video_alone_gives_what_it_gives_among_others(variables):
    """The published value of a video alone is that of ours in any batch; the published one in a batch is another."""
    alone = NETWORKS["realsmilenet/eval_prob_video1_alone"][0, 0]
    assert abs(probabilities(OURS, variables, clip())[1] - alone) < 1e-9
    assert abs(probabilities(PUBLISHED, variables, clip())[1] - alone) > 1e-6
    cut = clip(PIXELS[1:2, 3:], PRESENT[1:2, 3:])
    assert abs(probabilities(PUBLISHED, variables, cut)[0] - alone) < 1e-9


def test_padding_has_no_influence(variables):
    """Whatever its pixels are, in front or behind; also in training."""
    expected = probabilities(OURS, variables, clip())
    noise = np.where(PRESENT[..., None, None, None], PIXELS, 255 - PIXELS)
    np.testing.assert_array_equal(probabilities(OURS, variables, clip(noise)), expected)
    behind = np.stack([np.roll(video, -start, axis=0) for video, start in zip(PIXELS, (0, 3, 6), strict=True)])
    present = np.arange(10)[None] < np.array([10, 7, 4])[:, None]
    np.testing.assert_allclose(probabilities(OURS, variables, clip(behind, present)), expected, rtol=1e-9)

    def train(clip):
        with precision(True):
            settings = {"train": True, "dropout": 0.0, "mutable": ["batch_stats"]}
            return fast_to_compile(lambda v, clip: OURS.apply(v, clip, **settings))(variables, clip)

    first, second = train(clip()), train(clip(behind, present))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12), first, second)


def test_one_picture_is_enough(variables):
    assert 0 < probabilities(OURS, variables, clip(PIXELS[:1, :1], PRESENT[:1, :1]))[0] < 1


def test_before_the_first_step():
    """The non-local block adds nothing, and the gate multiplies a picture by the sum of its channels' differences."""
    model = RealSmileNet()
    variables = jax.jit(model.init)(jax.random.key(0), clip())
    capture = {"capture_intermediates": True, "mutable": ["intermediates"]}
    _, captured = jax.jit(lambda v: model.apply(v, clip(), **capture))(variables)
    layers = captured["intermediates"]
    np.testing.assert_array_equal(layers["non_local"]["__call__"][0], layers["lstm"]["__call__"][0])
    now, before = PIXELS[0, 4] / 255, PIXELS[0, 3] / 255
    gated = now + (now - before).sum(axis=-1, keepdims=True) * now
    np.testing.assert_allclose(layers["gate"]["__call__"][0][0, 4], gated, atol=1e-5)


def test_parameters():
    assert sizes.count_parameters(RealSmileNet()) == NETWORK_FACTS["realsmilenet"]["parameters"] == 5273


def test_an_unknown_variant_is_named():
    with pytest.raises(ValueError, match="unknown variant 'paper'; known: ours, authors"):
        RealSmileNet(variant="paper")

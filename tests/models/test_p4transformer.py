"""P4Transformer: the published network's values in float64, and what holds of any size."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from clips import clip_of, gradient_norms
from goldens import GOLDEN, NETWORK_FACTS, NETWORKS, network_state
from networks import fast_to_compile, variables_of
from smiles import precision

from dfuse_jax.models import P4Transformer, sizes, system_from_torch
from dfuse_jax.models.authors.systems import torch_names
from dfuse_jax.models.p4transformer import AUTHORS

CLIPS = GOLDEN["clips"].astype(float)
SMALL = {"width": 64, "depth": 2, "heads": 4, "head_width": 16, "mlp": 128, "space": 8}
PUBLISHED = P4Transformer(variant="authors", radius=0.1, neighbours=16, **SMALL)


@pytest.fixture(scope="module")
def published():
    with precision(True):
        return system_from_torch(network_state("p4transformer"), PUBLISHED), clip_of(PUBLISHED, CLIPS)


def with_tubes(model, variables, clip):
    """The scores and the tubes' features."""
    capture = {"capture_intermediates": lambda module, name: name == "embed_tubes", "mutable": ["intermediates"]}
    scores, captured = fast_to_compile(lambda v, clip: model.apply(v, clip, **capture))(variables, clip)
    return scores, np.asarray(captured["intermediates"]["embed_tubes"][0])


@pytest.mark.parametrize("frames_at_once", [None, 4])
def test_the_published_evaluation(published, frames_at_once):
    variables, clip = published
    model = PUBLISHED.clone(frames_at_once=frames_at_once)
    with precision(True):
        scores, tubes = with_tubes(model, variables, clip)
    np.testing.assert_allclose(
        np.swapaxes(tubes, -1, -2)[:, :, ::8, ::8], NETWORKS["p4transformer/tubes"], rtol=0, atol=1e-9
    )
    np.testing.assert_allclose(scores, NETWORKS["p4transformer/eval_logits"], rtol=0, atol=1e-9)


def test_the_published_training_step(published):
    variables, clip = published

    def loss(params):
        scores = PUBLISHED.apply({"params": params}, clip, train=True)
        cross_entropy = -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(scores), jnp.array([[1], [0]]), axis=1))
        return cross_entropy, scores

    with precision(True):
        (value, scores), gradients = fast_to_compile(jax.value_and_grad(loss, has_aux=True))(variables["params"])
        actual = gradient_norms(gradients)
    np.testing.assert_allclose(scores, NETWORKS["p4transformer/train_logits"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(value, NETWORKS["p4transformer/train_loss"], rtol=0, atol=1e-9)
    names, expected = torch_names(PUBLISHED, actual), NETWORK_FACTS["p4transformer"]["gradient_norms"]
    assert set(names.values()) == set(expected)
    np.testing.assert_allclose(list(actual.values()), [expected[names[path]] for path in actual], rtol=1e-4)


@pytest.mark.slow
def test_the_published_sizes():
    model = P4Transformer(**AUTHORS, classes=20)
    with precision(True):
        variables = system_from_torch(network_state("p4transformer_msr"), model)
        scores = fast_to_compile(model.apply)(variables, clip_of(model, CLIPS))
    np.testing.assert_allclose(scores, NETWORKS["p4transformer_msr/eval_logits"], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("settings", "parameters"),
    [
        (AUTHORS | {"classes": 20}, 44_135_444),
        (AUTHORS, 44_098_562),
        (AUTHORS | {"classes": 1}, 44_096_513),
        (SMALL, 75_842),
    ],
)
def test_parameters(settings, parameters):
    assert sizes.count_parameters(P4Transformer(**settings)) == parameters


@pytest.fixture(scope="module")
def tiny():
    model = P4Transformer(points=48, space=4, neighbours=6, width=16, depth=1, heads=2, head_width=8, mlp=16)
    points = CLIPS[:, :7, ::9][:, :, :48]
    with precision(True):
        return model, variables_of(model, clip_of(model, points)), points


def scores_of(model, variables, points):
    with precision(True):
        return np.asarray(fast_to_compile(model.apply)(variables, clip_of(model, points)))


def test_the_order_of_the_points_has_no_influence(tiny):
    order = np.random.default_rng(0).permutation(48)
    model, variables, points = tiny
    np.testing.assert_allclose(scores_of(model, variables, points[:, :, order]), scores_of(*tiny), rtol=1e-9)


def test_where_the_face_is_matters_through_the_position_alone(tiny):
    model, variables, points = tiny
    moved = scores_of(model, variables, points + 0.25)
    assert np.abs(moved - scores_of(*tiny)).max() > 1e-6
    still = jax.tree.map(np.array, variables)
    still["params"]["position"]["kernel"][:3] = 0
    np.testing.assert_allclose(
        scores_of(model, still, points + 0.25), scores_of(model, still, points), rtol=1e-9, atol=1e-12
    )


def test_a_tube_is_the_largest_of_its_neighbours(tiny):
    """By hand: frames 1, 2 and 3 around the second anchor frame; the first one is its own predecessor."""
    model, variables, points = tiny
    with precision(True):
        clip = clip_of(model, points)
        _, tubes = with_tubes(model, variables, clip)
    kernel = np.asarray(variables["params"]["tube"]["kernel"])
    anchors, neighbours = np.asarray(clip["anchors"]), np.asarray(clip["neighbours"])
    for number, frame in ((1, 2), (0, 0)):
        anchor = points[0, frame, anchors[0, frame, 3]]
        terms = []
        for o, offset in enumerate((-1, 0, 1)):
            source, column = (0, 1) if frame + offset < 0 else (frame + offset, o)
            for j in neighbours[0, frame, 3, column]:
                terms.append(np.append(points[0, source, j] - anchor, offset) @ kernel)
        np.testing.assert_allclose(tubes[0, number, 3], np.max(terms, axis=0), rtol=1e-9, atol=1e-12)


def test_dropout_in_training(tiny):
    model, variables, points = tiny
    with precision(True):
        clip = clip_of(model, points)
        dropped = model.apply(variables, clip, train=True, dropout=0.5, rngs={"dropout": jax.random.key(0)})
        kept = model.apply(variables, clip, train=True, dropout=0.0)
    np.testing.assert_allclose(kept, scores_of(*tiny))
    assert np.abs(dropped - kept).max() > 1e-6

"""PSTNet: the published network's values in float64, and what holds of any size."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from clips import clip_of, gradient_norms
from goldens import GOLDEN, NETWORK_FACTS, NETWORKS, network_state
from networks import fast_to_compile, variables_of
from smiles import precision

from dfuse_jax.models import PSTNet, sizes, system_from_torch
from dfuse_jax.models.authors.systems import torch_names
from dfuse_jax.models.pstnet import AUTHORS, FrameNorm

CLIPS = GOLDEN["clips"].astype(float)
FACTS = NETWORK_FACTS["pstnet"]
PUBLISHED = PSTNet(**AUTHORS | {"radius": 0.1})
TINY = {"points": 48, "widths": ((4, 6), (5, 8), (6, 8), (7, 8), (8, 8), (9, 12)), "radius": 0.1}


@pytest.fixture(scope="module")
def published():
    with precision(True):
        return system_from_torch(network_state("pstnet"), PUBLISHED), clip_of(PUBLISHED, CLIPS)


def test_the_published_evaluation(published):
    with precision(True):
        run = functools.partial(PUBLISHED.apply, capture_intermediates=True, mutable=["intermediates"])
        scores, captured = fast_to_compile(run)(*published)
        layers = captured["intermediates"]
        anchors = jnp.take_along_axis(CLIPS[:, 0], published[1]["anchors"][:, 0, :, None].astype(int), axis=1)
        np.testing.assert_array_equal(anchors, NETWORKS["pstnet/anchors"])
        for number, name in enumerate(("2a", "2b", "3a", "3b", "4"), 1):
            means = jnp.mean(layers[f"convolution_{number}"]["__call__"][0], axis=2)[..., ::16]
            np.testing.assert_allclose(means, NETWORKS[f"pstnet/means_{name}"], rtol=0, atol=1e-9)
        np.testing.assert_allclose(scores, NETWORKS["pstnet/eval_logits"], rtol=0, atol=1e-9)


def test_the_published_training_step(published):
    variables, clip = published

    def loss(params):
        new = {**variables, "params": params}
        scores, collections = PUBLISHED.apply(new, clip, train=True, mutable=["batch_stats"])
        cross_entropy = -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(scores), jnp.array([[1], [0]]), axis=1))
        return cross_entropy, (scores, collections)

    with precision(True):
        step = fast_to_compile(jax.value_and_grad(loss, has_aux=True))
        (value, (scores, collections)), gradients = step(variables["params"])
        actual = gradient_norms(gradients)
        running = {path.removeprefix("params/"): norm for path, norm in gradient_norms(collections).items()}
    np.testing.assert_allclose(scores, NETWORKS["pstnet/train_logits"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(value, NETWORKS["pstnet/train_loss"], rtol=0, atol=1e-9)
    names = torch_names(PUBLISHED, actual)
    expected = FACTS["gradient_norms"]
    assert set(names.values()) == set(expected)
    np.testing.assert_allclose(list(actual.values()), [expected[names[path]] for path in actual], rtol=1e-4)
    names = torch_names(PUBLISHED, running)
    np.testing.assert_allclose(
        list(running.values()), [FACTS["running_norms"][names[path]] for path in running], rtol=1e-9
    )


@pytest.mark.slow
def test_the_published_radius_and_classes():
    model = PSTNet(**AUTHORS, classes=20)
    with precision(True):
        variables = system_from_torch(network_state("pstnet_msr"), model)
        scores = fast_to_compile(model.apply)(variables, clip_of(model, CLIPS))
    np.testing.assert_allclose(scores, NETWORKS["pstnet_msr/eval_logits"], rtol=0, atol=1e-9)


@pytest.mark.parametrize(("classes", "parameters"), [(20, 8_258_897), (2, 8_222_015), (1, 8_219_966)])
def test_parameters(classes, parameters):
    assert sizes.count_parameters(PSTNet(**AUTHORS, classes=classes)) == parameters


def test_parameters_of_ours():
    """384 in place of 284: 100 more inner features with 256 + 3 inputs, 3 frames of a norm's 2 and of 512 outputs."""
    assert sizes.count_parameters(PSTNet()) == 8_222_015 + 100 * (256 + 3 + 3 * 2 + 3 * 512)


@pytest.fixture(scope="module")
def tiny():
    """A small network with its variables, and clips of 9 frames."""
    model = PSTNet(**TINY)
    points = CLIPS[:, :9, ::9][:, :, :48]
    with precision(True):
        return model, variables_of(model, clip_of(model, points)), points


def scores_of(model, variables, points):
    with precision(True):
        return np.asarray(fast_to_compile(model.apply)(variables, clip_of(model, points)))


def test_the_order_of_the_points_has_no_influence(tiny):
    order = np.random.default_rng(0).permutation(48)
    model, variables, points = tiny
    np.testing.assert_allclose(
        scores_of(model, variables, points[:, :, order]), scores_of(*tiny), rtol=1e-9, atol=1e-12
    )


def test_where_the_face_is_has_no_influence(tiny):
    model, variables, points = tiny
    np.testing.assert_allclose(scores_of(model, variables, points + 0.25), scores_of(*tiny), rtol=1e-9, atol=1e-12)


def by_loops(variables, clip):
    """The scores of the first clip by the published definition, neighbour by neighbour."""
    params, stats, clip = jax.tree.map(np.asarray, (variables["params"], variables["batch_stats"], clip))
    points, anchors = clip["points"][0], clip["anchors"][0]
    cloud = dict(enumerate(points))
    features, spacing = dict.fromkeys(cloud), 1
    for number, (covered, stride) in enumerate([(1, 1), (3, 2), (3, 1), (3, 2), (3, 1), (1, 1)]):
        own, table = params[f"convolution_{number}"], clip["neighbours"][f"convolution_{number}"][0]
        displace, state = own["displacement"]["kernel"], stats[f"convolution_{number}"]["norm"]
        new, new_cloud = {}, {}
        for t in list(features)[::stride][: len(features) // stride]:
            centre = points[t][anchors[t, : table.shape[1]]]
            y = np.zeros((len(centre), covered, displace.shape[1]))
            for i, o in np.ndindex(y.shape[:2]):
                source = t + (o - covered // 2) * spacing
                for j in table[t, i, o] if source in features else []:
                    term = (cloud[source][j] - centre[i]) @ displace
                    y[i, o] += term if number == 0 else term * (features[source][j] @ own["feature"]["kernel"])
            y = (y.reshape(len(centre), -1) - state["mean"]) / np.sqrt(state["var"] + 1e-5)
            y = np.maximum(y * own["norm"]["scale"] + own["norm"]["bias"], 0) @ own["out"]["kernel"]
            new[t], new_cloud[t] = y if number == 5 else np.maximum(y, 0), centre
        features, cloud, spacing = new, new_cloud, spacing * stride
    pooled = np.max([y.mean(axis=0) for y in features.values()], axis=0)
    return pooled @ params["head"]["kernel"] + params["head"]["bias"]


@pytest.mark.parametrize("frames", [4, 9])
def test_it_is_the_definition(tiny, frames):
    model, variables, points = tiny
    with precision(True):
        clip = clip_of(model, points[:1, :frames])
        scores = fast_to_compile(model.apply)(variables, clip)[0]
    np.testing.assert_allclose(scores, by_loops(variables, clip), rtol=1e-9, atol=1e-12)


def test_a_norm_of_ours_takes_one_share_of_all_frames():
    """And one of the published network takes a share of each: in two frames 0.9 times 0.1, and 0.1."""
    x = np.stack([np.zeros((3, 5, 4)), np.ones((3, 5, 4))], axis=1)
    means = {}
    for per_frame in (False, True):
        norm = FrameNorm(per_frame=per_frame)
        _, after = norm.init_with_output(jax.random.key(0), x, train=True)
        _, after = norm.apply(after, x, train=True, mutable=["batch_stats"])
        means[per_frame] = after["batch_stats"]["mean"]
    np.testing.assert_allclose(means[False], 0.1 * 0.5, rtol=1e-6)
    np.testing.assert_allclose(means[True], 0.9 * 0.1 * 0 + 0.1 * 1, rtol=1e-6)


def test_a_wrong_size_is_named():
    with pytest.raises(ValueError, match="widths has 1 pairs; expected 6"):
        PSTNet(widths=((3, 4),))
    with pytest.raises(ValueError, match="unknown variant 'paper'; known: ours, authors"):
        PSTNet(variant="paper")

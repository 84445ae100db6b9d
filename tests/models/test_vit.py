"""Vanilla vision transformers: sizes, tokens, and what the order of frames means to them."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from networks import fast_to_compile, variables_of

from dfuse_jax.models import FrameViT, LandmarkViT, sizes

TINY = {"frames": 4, "width": 16, "depth": 2, "heads": 2, "head_width": 8, "mlp": 16}


def test_parameters():
    """The landmarks' are 367,360 + 256 + 4,352 + 6 x 526,336 + 769."""
    assert sizes.count_parameters(LandmarkViT()) == 3_530_753
    assert sizes.count_parameters(FrameViT()) == 768 * 256 + 256 + 256 + 145 * 256 + 6 * 526_336 + 769


@pytest.fixture(scope="module")
def tiny():
    model = LandmarkViT(points=5, **TINY)
    clip = {"points": jnp.asarray(np.random.default_rng(0).normal(size=(2, 4, 5, 3)), float)}
    variables = jax.jit(model.init)(jax.random.key(0), clip)
    return model, jax.tree.map(np.array, variables), clip


def test_without_positions_the_order_of_frames_has_no_influence(tiny):
    model, variables, clip = tiny
    reverse = {"points": clip["points"][:, ::-1]}
    apply = fast_to_compile(model.apply)
    assert np.abs(apply(variables, clip) - apply(variables, reverse)).max() > 1e-5
    params = {**variables["params"], "positions": np.zeros_like(variables["params"]["positions"])}
    without = {**variables, "params": params}
    np.testing.assert_allclose(apply(without, clip), apply(without, reverse), atol=1e-5)


def test_dropout_in_training(tiny):
    model, variables, clip = tiny
    train = functools.partial(model.apply, variables, clip, train=True, mutable=["batch_stats"])
    kept, _ = train(dropout=0.0)
    again, _ = train(dropout=0.0, rngs={"dropout": jax.random.key(0)})
    np.testing.assert_array_equal(again, kept)
    dropped, _ = train(dropout=0.5, rngs={"dropout": jax.random.key(0)})
    assert np.abs(dropped - kept).max() > 1e-5


def test_what_all_training_clips_have_in_common_is_not_seen(tiny):
    """Each value of a token has mean 0 and variance 1 over the batch, wherever the face is and however large."""
    model, variables, clip = tiny
    train = functools.partial(model.apply, variables, train=True, dropout=0.0, mutable=["batch_stats"])
    near, _ = train(clip)
    far, state = train({"points": 10 * clip["points"] + 300})
    np.testing.assert_allclose(far, near, atol=1e-3)
    (mean,) = [x for path, x in jax.tree.leaves_with_path(state) if "mean" in jax.tree_util.keystr(path)]
    expected = 0.1 * (10 * np.asarray(clip["points"]).reshape(8, 15).mean(axis=0) + 300)
    np.testing.assert_allclose(mean, expected, rtol=1e-5)


def test_patches_are_tokens():
    model = FrameViT(side=4, patch=2, **TINY)
    pixels = np.random.default_rng(0).integers(0, 256, (1, 4, 4, 4, 3)).astype(np.uint8)
    tokens = np.asarray(model.tokens({"pixels": jnp.asarray(pixels)}))
    assert tokens.shape == (1, 16, 12)
    np.testing.assert_allclose(tokens[0, 4 + 1], pixels[0, 1, :2, 2:].ravel() / 255, rtol=1e-6)
    variables = variables_of(model, {"pixels": jnp.asarray(pixels)})
    assert model.apply(variables, {"pixels": jnp.asarray(pixels)}).shape == (1,)

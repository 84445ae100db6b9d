"""The fusions by themselves: their equations, in NumPy; stacks of them, precisions, batches of one; their list."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from networks import fast_to_compile, row, variables_of

from dfuse_jax.models import FUSIONS
from dfuse_jax.models.fusion import get

WIDTH, BATCH, FRAMES = 16, 5, 3
TOKENLESS = [fusion for fusion in FUSIONS if fusion not in ("none", "token_attention")]
# Those that take x in the paper where they take H in the published code; FiLM, whose x is not normed there.
DIFFERENT = [
    "concatenation",
    "gated_concatenation",
    "gated_concatenation_hadamard",
    "multihead_cross_attention",
    "film",
]


def module(fusion: str, variant: str = "paper", dropout: float = 0.0):
    return FUSIONS[fusion].module(WIDTH, dropout, variant)


def inputs(batch: int = BATCH):
    rng = np.random.default_rng(0)
    frames, dmarkers = rng.normal(size=(batch, FRAMES, WIDTH)), rng.normal(size=(batch, 225))
    return jnp.asarray(frames, jnp.float32), jnp.asarray(dmarkers, jnp.float32)


def jolted(variables, rng: int = 0):
    """Parameters that all do something: random biases and scales too."""
    generator = np.random.default_rng(rng)
    return jax.tree.map(lambda p: p + 0.3 * generator.normal(size=p.shape).astype(p.dtype), variables)


@pytest.fixture(scope="module")
def runs():
    """By fusion: parameters of 3 replicas, and what F is for each, for the first alone, and for the first otherwise."""
    frames, dmarkers = inputs()

    def run_one(name, stacked):
        def apply(variables, frames, dmarkers, train=False, **settings):
            rngs = {"dropout": jax.random.key(0)}
            return module(name, **settings).apply(variables, frames, dmarkers, train, rngs=rngs)

        first = row(stacked, 0)
        return {
            "stacked": jax.vmap(apply, in_axes=(0, None, None), axis_size=3)(stacked, frames, dmarkers),
            "single": apply(first, frames, dmarkers),
            "one": apply(first, frames[1:2], dmarkers[1:2]),
            "half": apply(first, frames.astype("bfloat16"), dmarkers.astype("bfloat16")),
            "published": None if name in DIFFERENT else apply(first, frames, dmarkers, variant="authors"),
            "evaluated": apply(first, frames, dmarkers, dropout=0.5),
            "dropped": apply(first, frames, dmarkers, train=True, dropout=0.5),
        }

    variables = jolted(
        {name: variables_of(module(name), frames, dmarkers, train=False, replicas=3) for name in FUSIONS}
    )
    return variables, fast_to_compile(lambda v: {name: run_one(name, v[name]) for name in FUSIONS})(variables)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_vmap_over_stacked_parameters(fusion, runs):
    stacked = runs[1][fusion]["stacked"]
    assert stacked.shape == (3, BATCH, WIDTH)
    np.testing.assert_allclose(stacked[0], runs[1][fusion]["single"], rtol=1e-4, atol=1e-4)
    if fusion != "none":
        assert np.abs(stacked[0] - stacked[1]).max() > 0.1


@pytest.mark.parametrize("fusion", FUSIONS)
def test_batch_of_one(fusion, runs):
    one, single = runs[1][fusion]["one"], runs[1][fusion]["single"]
    assert one.shape == (1, WIDTH)
    np.testing.assert_allclose(one, single[1:2], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_bfloat16(fusion, runs):
    half, single = runs[1][fusion]["half"], runs[1][fusion]["single"]
    assert half.dtype == jnp.bfloat16
    assert {leaf.dtype for leaf in jax.tree.leaves(runs[0][fusion])} <= {jnp.dtype("float32")}
    error = np.linalg.norm(half.astype(jnp.float32) - single) / np.linalg.norm(single)
    assert 0 < error < 0.03


def linear(p: dict, x):
    return x @ p["kernel"] + p.get("bias", 0)


def norm(p: dict, x):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5) * p["scale"] + p["bias"]


def relu(x):
    return np.maximum(x, 0)


def gated(p: dict, x, z):
    g = 1 / (1 + np.exp(-linear(p["gate"], np.concatenate([x, z], -1))))
    return g * x + (1 - g) * z


def refine(p: dict, x):
    return relu(linear(p["refine_out"], relu(linear(p["refine_in"], x))))


def film(p: dict, x, z):
    gamma, beta = np.split(relu(linear(p["film_out"], relu(linear(p["film_in"], z)))), 2, axis=-1)
    return gamma * norm(p["x_norm"], x) + beta


EQUATIONS = {
    "concatenation": lambda p, x, z: refine(p, np.concatenate([x, z], -1)),
    "gated_concatenation": lambda p, x, z: refine(p, gated(p, x, z)),
    "gated_concatenation_hadamard": lambda p, x, z: refine(p, x * z + gated(p, x, z)),
    "multihead_cross_attention": lambda p, x, z: linear(p["out"], linear(p["key_value"], z)[:, WIDTH:]),
    "film": lambda p, x, z: refine(p, film(p, x, z)),
}


def arrays(runs, fusion):
    params = jax.tree.map(lambda a: np.asarray(a[0], np.float64), runs[0][fusion].get("params", {}))
    return params, *(np.asarray(a, np.float64) for a in inputs())


@pytest.mark.parametrize("fusion", DIFFERENT)
def test_equation_where_the_paper_is_not_the_published_code(fusion, runs):
    params, frames, dmarkers = arrays(runs, fusion)
    x, z = linear(params["x_map"], frames.mean(axis=1)), linear(params["z_map"], dmarkers)
    np.testing.assert_allclose(runs[1][fusion]["single"], EQUATIONS[fusion](params, x, z), rtol=1e-3, atol=1e-3)


def test_the_others_are_as_published(runs):
    for fusion in set(TOKENLESS) - set(DIFFERENT):
        np.testing.assert_allclose(runs[1][fusion]["single"], runs[1][fusion]["published"], rtol=1e-4, atol=1e-4)


def test_token_attention(runs):
    params, frames, dmarkers = arrays(runs, "token_attention")
    expected = np.zeros((BATCH, WIDTH))
    for clip in range(BATCH):
        groups = dmarkers[clip].reshape(3, 3, 25)  # region, phase
        kernel, bias = params["tokens"]["kernel"], params["tokens"]["bias"]
        tokens = [groups[i // 3, i % 3] @ kernel[i] + bias[i] for i in range(9)]
        for frame in frames[clip]:
            x, heads = linear(params["x_map"], frame), []
            query = linear(params["query"], x)
            for head in range(4):
                part = slice(4 * head, 4 * head + 4)
                keys = [linear(params["key"], token)[part] for token in tokens]
                weights = np.exp([query[part] @ key / 2 for key in keys])
                values = [linear(params["value"], token)[part] for token in tokens]
                heads.append(weights @ values / weights.sum())
            expected[clip] += (x + linear(params["out"], np.concatenate(heads))) / FRAMES
    np.testing.assert_allclose(runs[1]["token_attention"]["single"], refine(params, expected), rtol=1e-3, atol=1e-3)


def test_none_is_the_embedding():
    frames, dmarkers = inputs()
    np.testing.assert_allclose(module("none").apply({}, frames, dmarkers, False), frames.mean(axis=1), rtol=1e-6)


@pytest.mark.parametrize("fusion", [fusion for fusion in FUSIONS if fusion != "none"])
def test_dropout_only_in_training(fusion, runs):
    evaluated, dropped = runs[1][fusion]["evaluated"], runs[1][fusion]["dropped"]
    np.testing.assert_allclose(evaluated, runs[1][fusion]["single"], rtol=1e-4, atol=1e-4)
    assert np.abs(dropped - evaluated).max() > 0.1


def test_equations_8_to_25():
    bounds = [[int(n) for n in fusion.equations.split("-")] for fusion in FUSIONS.values() if fusion.equations]
    assert len(bounds) == 15
    assert sorted(n for b in bounds for n in range(b[0], b[-1] + 1)) == list(range(8, 26))
    assert all(fusion.summary for fusion in FUSIONS.values())


def test_an_unknown_fusion_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"'hadamar'.*concatenation.*hadamard.*token_attention, none"):
        get("hadamar")

"""The fusions by themselves: their equations, in NumPy; stacks of them, precisions, batches of one; their registry."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from goldens import TENSORS

from dfuse_jax.models import FUSIONS, from_torch, head_from_torch
from dfuse_jax.models.sizes import fusion_parameters, table

WIDTH, BATCH, FRAMES = 16, 5, 3
PUBLISHED = TENSORS
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
    """By fusion: parameters of 3 replicas, and F of each, of the first alone, for one clip alone, and in bfloat16."""
    frames, dmarkers = inputs()

    @jax.jit
    def initial(keys):
        return {n: jax.vmap(lambda k, n=n: module(n).init(k, frames, dmarkers, False))(keys) for n in FUSIONS}

    @jax.jit
    def run(variables):
        result = {}
        for name, stacked in variables.items():

            def apply(variables, frames, dmarkers, name=name):
                return module(name).apply(variables, frames, dmarkers, False)

            first = jax.tree.map(lambda p: p[0], stacked)
            result[name] = {
                "stacked": jax.vmap(apply, in_axes=(0, None, None), axis_size=3)(stacked, frames, dmarkers),
                "single": apply(first, frames, dmarkers),
                "one": apply(first, frames[1:2], dmarkers[1:2]),
                "half": apply(first, frames.astype("bfloat16"), dmarkers.astype("bfloat16")),
            }
        return result

    variables = jolted(initial(jax.random.split(jax.random.key(0), 3)))
    return variables, run(variables)


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
    frames, dmarkers = inputs()
    for fusion in set(TOKENLESS) - set(DIFFERENT):
        first = jax.tree.map(lambda p: p[0], runs[0][fusion])
        published = module(fusion, "authors").apply(first, frames, dmarkers, False)
        np.testing.assert_allclose(runs[1][fusion]["single"], published, rtol=1e-4, atol=1e-4)


def test_token_attention(runs):
    params, frames, dmarkers = arrays(runs, "token_attention")
    expected = np.zeros((BATCH, WIDTH))
    for clip in range(BATCH):
        groups = dmarkers[clip].reshape(3, 3, 25)  # region, phase
        kernel, bias = params["tokens"]["kernel"], params["tokens"]["bias"]
        tokens = [groups[i // 3, i % 3] @ kernel[i] + bias[i] for i in range(9)]
        for frame in frames[clip]:
            x, found = linear(params["x_map"], frame), []
            query = linear(params["query"], x)
            for head in range(4):
                of = slice(4 * head, 4 * head + 4)
                keys = [linear(params["key"], token)[of] for token in tokens]
                weights = np.exp([query[of] @ key / 2 for key in keys])
                found.append(sum(w * linear(params["value"], t)[of] for w, t in zip(weights, tokens, strict=True)))
                found[-1] /= weights.sum()
            expected[clip] += (x + linear(params["out"], np.concatenate(found))) / FRAMES
    np.testing.assert_allclose(runs[1]["token_attention"]["single"], refine(params, expected), rtol=1e-3, atol=1e-3)


def test_none_is_the_embedding():
    frames, dmarkers = inputs()
    np.testing.assert_allclose(module("none").apply({}, frames, dmarkers, False), frames.mean(axis=1), rtol=1e-6)


@pytest.mark.parametrize("fusion", [fusion for fusion in FUSIONS if fusion != "none"])
def test_dropout_only_in_training(fusion, runs):
    frames, dmarkers = inputs()
    first, dropping = jax.tree.map(lambda p: p[0], runs[0][fusion]), module(fusion, dropout=0.5)
    calm = dropping.apply(first, frames, dmarkers, False)
    np.testing.assert_allclose(calm, runs[1][fusion]["single"], rtol=1e-4, atol=1e-4)
    assert np.abs(dropping.apply(first, frames, dmarkers, True, rngs={"dropout": jax.random.key(0)}) - calm).max() > 0.1


def test_width_that_has_no_four_heads():
    fusion = FUSIONS["token_attention"].module(6, 0.0)
    with pytest.raises(ValueError, match=r"4 heads.*width of 6"):
        fusion.init(jax.random.key(0), jnp.ones((1, 2, 6)), jnp.ones((1, 225)), False)


def test_equations_8_to_25():
    bounds = [[int(n) for n in fusion.equations.split("-")] for fusion in FUSIONS.values() if fusion.equations]
    assert len(bounds) == 15
    assert sorted(n for b in bounds for n in range(b[0], b[-1] + 1)) == list(range(8, 26))
    assert all(fusion.line for fusion in FUSIONS.values())


def test_published_parameters():
    lines = {line.split()[0]: line for line in table(variant="authors").splitlines()[1:]}
    assert lines.keys() == FUSIONS.keys()
    for fusion, count in PUBLISHED["parameters"].items():
        assert f" {count:,} " in lines[fusion]
    for fusion, shapes in PUBLISHED["head"].items():
        own = sum(int(np.prod(shape)) for name, shape in shapes.items() if not name.startswith("smile_head"))
        assert fusion_parameters(fusion, variant="authors") == own
    assert fusion_parameters("none") == 0


def zeros(fusion: str) -> dict:
    tensors = PUBLISHED["encoder"] | PUBLISHED["head"][fusion]
    return {name: np.zeros(shape, np.float32) for name, shape in tensors.items()}


def test_from_torch_lists_what_does_not_fit():
    state = zeros("film") | {"decoder.weight": np.zeros(3), "encoder.conv0.1.num_batches_tracked": np.array(7)}
    del state["x_proj.bias"], state["encoder.conv0.0.weight"]
    state["smile_head.1.weight"] = np.zeros((2, 256))
    state["downsample.0.weight"] = np.zeros((32, 478, 3))
    state["x_proj.weight"] = np.zeros(())
    with pytest.raises(ValueError, match="film") as caught:
        from_torch(state, "film")
    message = str(caught.value)
    assert "missing: encoder.conv0.0.weight, x_proj.bias;" in message
    assert "unknown: decoder.weight;" in message
    for name in ("smile_head.1.weight (2, 256)", "downsample.0.weight (32, 478, 3)", "x_proj.weight ()"):
        assert name in message[message.index("another shape: ") :]


def test_from_torch_refuses():
    with pytest.raises(ValueError, match=r"missing.*gate_linear\.bias.*unknown: x_proj"):
        from_torch(zeros("hadamard"), "gated_concatenation")
    with pytest.raises(ValueError, match=r"narrower encoder.*head_from_torch"):
        from_torch({"feature_proj.weight": np.zeros((256, 8192))}, "factorized_bilinear")
    with pytest.raises(ValueError, match=r"'none'.*authors' release.*hadamard"):
        from_torch({}, "none")
    with pytest.raises(ValueError, match=r"missing.*fusion_mlp\.0"):
        head_from_torch({}, "bilinear")


def test_from_torch_lays_out_as_flax_does():
    state = zeros("hadamard")
    state["x_proj.weight"][3, 5] = 2  # from component 5 to component 3
    state["downsample.0.weight"][7, 100, 0] = 4  # from point 100 to token 7
    variables = from_torch(state, "hadamard")
    assert variables["params"]["fusion"]["x_map"]["kernel"][5, 3] == 2
    assert variables["params"]["tokens"]["kernel"][100, 7] == 4
    assert variables["params"]["tokens"]["kernel"].dtype == np.float32
    form = np.zeros((256, 256, 256), np.float32)
    form[1, 2, 3] = 5  # x_2 z_3 to component 1
    head = head_from_torch(zeros("bilinear") | {"bilinear.bilinear.weight": form}, "bilinear")
    assert head["params"]["fusion"]["form"]["kernel"][2, 3, 1] == 5

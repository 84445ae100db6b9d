"""The whole model at a small size: it trains with every fusion, in which precisions, and what it tells the user."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import traverse_util
from networks import BLIND, TINY, batch, fast_to_compile, ignore_blind, row, variables_of
from smiles import precision

from dfuse_jax.models import FUSIONS, DFuseSmileNet, dfusesmilenet

ENCODER = TINY | {"depth": 0, "time_depth": 0}  # the point encoder, and as little as possible after it


def flat(tree) -> dict[str, np.ndarray]:
    return traverse_util.flatten_dict(jax.device_get(tree), sep="/")


def close(a, b):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12), a, b)


@pytest.fixture(scope="module")
def trained():
    """By fusion: losses [steps], and the largest absolute gradients of head and encoder in all steps.

    Each fusion trains a model of its own from landmarks to loss; the encoders, alike but for their values, are stacked
    and run under vmap, which leaves one function to compile.
    """
    landmarks, dmarkers, labels = batch()
    models = {name: DFuseSmileNet(fusion=name, **TINY | {"points": 16}) for name in FUSIONS}
    trunk = models["none"]
    frames = jnp.zeros((len(dmarkers), 1, trunk.width))
    encoders = variables_of(trunk, landmarks, method="encode", replicas=len(models))
    heads = {n: variables_of(m, frames, dmarkers, method="classify").get("params", {}) for n, m in models.items()}

    def losses(params, rng):
        def encode(params, stats, rng):
            variables, rngs = {"params": params, "batch_stats": stats}, {"dropout": rng}
            settings = {"train": True, "rngs": rngs, "mutable": ["batch_stats"], "method": "encode"}
            return trunk.apply(variables, landmarks, **settings)[0]

        rngs = jax.random.split(rng, len(models))
        frames = jax.vmap(encode)(params["encoders"], encoders["batch_stats"], rngs)
        losses = []
        for number, (name, model) in enumerate(models.items()):
            settings = {"train": True, "rngs": {"dropout": rngs[number]}, "method": "classify"}
            logits = model.apply({"params": params["heads"][name]}, frames[number], dmarkers, **settings)
            losses.append(optax.sigmoid_binary_cross_entropy(logits, labels).mean())
        return sum(losses), jnp.stack(losses)

    gradient = fast_to_compile(jax.grad(losses, has_aux=True))
    params = {"encoders": encoders["params"], "heads": heads}
    history, largest = adam(gradient, params, jax.random.split(jax.random.key(2), 60))
    return {
        name: (history[:, number], flat(largest["heads"][name]), flat(row(largest["encoders"], number)))
        for number, name in enumerate(models)
    }


def adam(gradient, params, keys, rate: float = 3e-3):
    """Losses [steps, ...] and the largest absolute gradients of all steps.

    It is written in NumPy because a program of the gradients alone compiles in half the time of one of whole steps.
    """
    leaves, structure = jax.tree.flatten(jax.device_get(params))
    mean, square, largest = ([np.zeros_like(leaf) for leaf in leaves] for _ in range(3))
    history = []
    for step, key in enumerate(keys, start=1):
        gradients, losses = jax.device_get(gradient(jax.tree.unflatten(structure, leaves), key))
        history.append(losses)
        for number, g in enumerate(jax.tree.leaves(gradients)):
            largest[number] = np.maximum(largest[number], np.abs(g))
            mean[number] = 0.9 * mean[number] + 0.1 * g
            square[number] = 0.999 * square[number] + 0.001 * g**2
            scale = np.sqrt(square[number] / (1 - 0.999**step)) + 1e-8
            leaves[number] = leaves[number] - rate * mean[number] / (1 - 0.9**step) / scale
    return np.array(history), jax.tree.unflatten(structure, largest)


@ignore_blind
@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_fusion_trains(fusion, trained):
    losses, head, encoder = trained[fusion]
    assert losses[-10:].mean() < 0.6 * losses[:5].mean()
    untrained = {path.split("/")[1] for path, largest in head.items() if not largest.any()}
    if fusion in BLIND:  # what only chooses among the one key
        expected = {"query", "key", "x_map"} & {path.split("/")[1] for path in head}
        assert untrained == expected
        assert expected >= {"query"}
        assert not any(largest.any() for largest in encoder.values())
    else:
        assert not untrained
        assert all(largest.any() for largest in encoder.values())


@pytest.fixture(scope="module")
def tiny():
    """Variables of DFuseSmileNet(**TINY), and its embeddings of the batch's frames in evaluation."""
    landmarks, dmarkers, _ = batch()
    variables = variables_of(DFuseSmileNet(**TINY), landmarks, dmarkers)
    return variables, embed(DFuseSmileNet(**TINY), variables)


def embed(model: DFuseSmileNet, variables: dict):
    return fast_to_compile(lambda variables: model.apply(variables, batch()[0], method="encode"))(variables)


def test_batch_of_one_trains(tiny):
    landmarks, dmarkers, labels = batch(1)
    model = DFuseSmileNet(**TINY)

    def loss(params, stats):
        variables, rngs = {"params": params, "batch_stats": stats}, {"dropout": jax.random.key(3)}
        logits, new = model.apply(variables, landmarks, dmarkers, train=True, rngs=rngs, mutable=["batch_stats"])
        return optax.sigmoid_binary_cross_entropy(logits, labels).mean(), (logits, new)

    train = fast_to_compile(jax.value_and_grad(loss, has_aux=True))
    (_, (logits, new)), gradients = train(tiny[0]["params"], tiny[0]["batch_stats"])
    assert logits.shape == (1,)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves((gradients, new)))
    assert all(leaf.any() for leaf in jax.tree.leaves(gradients))


def products(jaxpr) -> list:
    """Operands (shape and precision) of all matrix products in a jaxpr, whatever calls they are in."""
    own = [[v.aval for v in eqn.invars] for eqn in jaxpr.eqns if eqn.primitive.name == "dot_general"]
    inner = [p for eqn in jaxpr.eqns for p in jax.tree.leaves(eqn.params, is_leaf=lambda p: hasattr(p, "eqns"))]
    inner = [getattr(p, "jaxpr", p) for p in inner]
    return own + [operands for p in inner if hasattr(p, "eqns") for operands in products(p)]


def exact(operands) -> bool:
    """A product of coordinates, of pairs of points, or of statistics of at most 16 features: never in bfloat16."""
    lengths = [length for operand in operands for length in operand.shape]
    return 3 in lengths or 6 in lengths or max(lengths) <= 16


def precisions(tree) -> set[str]:
    return {str(leaf.dtype) for leaf in jax.tree.leaves(tree)}


def test_bfloat16(tiny):
    landmarks, dmarkers, _ = batch()
    half = DFuseSmileNet(**TINY, dtype="bfloat16")
    variables = jax.eval_shape(half.init, jax.random.key(0), landmarks, dmarkers)
    assert precisions(variables) == {"float32"}

    def run(variables):
        rngs = {"dropout": jax.random.key(3)}
        return half.apply(variables, landmarks, dmarkers, train=True, rngs=rngs, mutable=["batch_stats"])

    assert precisions(jax.eval_shape(run, variables)) == {"float32"}  # logits and statistics
    *within, last = products(jax.make_jaxpr(run)(variables).jaxpr)
    low = [operands for operands in within if operands[0].dtype == jnp.bfloat16]
    assert len(low) > 20
    assert all(exact(operands) for operands in within if operands[0].dtype != jnp.bfloat16)
    assert last[0].dtype == jnp.float32

    # In the median, because a walk may turn elsewhere where two scores are equal in bfloat16.
    full, low = tiny[1], embed(half, tiny[0])
    assert low.dtype == jnp.bfloat16
    assert 0 < np.median(np.abs(low.astype(jnp.float32) - full)) < 0.1 * np.std(full)


def test_default_is_not_as_published(tiny):
    assert DFuseSmileNet().variant == "paper"
    assert np.abs(embed(DFuseSmileNet(**TINY, variant="authors"), tiny[0]) - tiny[1]).max() > 1e-3


@pytest.mark.parametrize("fusion", BLIND)
def test_blind_fusion_warns_once(fusion):
    dfusesmilenet._warn_that_the_encoder_has_no_effect.cache_clear()
    with pytest.warns(UserWarning, match="cannot see the encoder") as caught:
        model = DFuseSmileNet(fusion=fusion, **TINY)
    assert [warning.filename for warning in caught] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frames, dmarkers = jnp.ones((2, 3, 16)), jnp.ones((2, 225))
        variables = variables_of(model, frames, dmarkers, method="classify")
        jax.eval_shape(lambda v: model.apply(v, frames, dmarkers, method="classify"), variables)
        DFuseSmileNet(fusion=fusion)


def test_others_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for fusion in set(FUSIONS) - set(BLIND):
            DFuseSmileNet(fusion=fusion)


def test_unknown_names():
    with pytest.raises(ValueError, match=r"'hadamar'.*concatenation.*hadamard.*token_attention, none"):
        DFuseSmileNet(fusion="hadamar")
    with pytest.raises(ValueError, match=r"'printed'.*paper, authors"):
        DFuseSmileNet(variant="printed")


@pytest.mark.parametrize("rate", [-0.1, 1, 1.5])
def test_a_dropout_rate_outside_0_to_1(rate):
    with pytest.raises(ValueError, match=f"dropout is {rate}; expected a rate from 0 to below 1"):
        DFuseSmileNet(dropout=rate)


def test_traced_dropout_rates_side_by_side_are_those_rates_alone():
    """One program for all rates, with the masks of static ones; a traced rate of 0 is no dropout."""
    rates = [0.0, 0.4]
    with precision(True):
        landmarks, dmarkers, _ = batch(2)
        model = DFuseSmileNet(**TINY | {"points": 16, "blocks": ((8, 2),)})
        variables = variables_of(model, landmarks, dmarkers)

        def run(rate):
            settings = {"train": True, "rngs": {"dropout": jax.random.key(3)}, "mutable": ["batch_stats"]}
            return model.clone(dropout=rate).apply(variables, landmarks, dmarkers, **settings)

        together = fast_to_compile(jax.vmap(run))(jnp.array(rates))
        alone = fast_to_compile(lambda: [run(rate) for rate in rates])()
        for number in range(len(rates)):
            close(row(together, number), alone[number])
        assert np.abs(together[0][0] - together[0][1]).max() > 0.01


@pytest.mark.parametrize("fusion", ["hadamard", "additive", "token_attention"])
def test_traced_dropout_rates_have_the_gradients_of_static_ones(fusion):
    rates = [0.0, 0.25, 0.6]
    with precision(True):
        dmarkers = batch()[1]
        frames = jnp.asarray(np.random.default_rng(1).normal(size=(len(dmarkers), 3, 16)))
        model = DFuseSmileNet(fusion=fusion, **TINY)
        params = variables_of(model, frames, dmarkers, method="classify")["params"]

        def loss(params, rate):
            settings = {"train": True, "rngs": {"dropout": jax.random.key(3)}, "method": "classify"}
            return jnp.sum(model.clone(dropout=rate).apply({"params": params}, frames, dmarkers, **settings) ** 2)

        together = fast_to_compile(jax.vmap(jax.grad(loss), in_axes=(None, 0)))(params, jnp.array(rates))
        alone = fast_to_compile(lambda params: [jax.grad(loss)(params, rate) for rate in rates])(params)
        for number in range(len(rates)):
            close(row(together, number), alone[number])
            assert any(leaf.any() for leaf in jax.tree.leaves(alone[number]))


def test_landmarks_of_the_models_points_alone_are_passed_on():
    landmarks = batch(1)[0]
    model = DFuseSmileNet(**TINY)
    points = model.select(landmarks)
    assert points.shape == (1, 5, 32, 3)
    np.testing.assert_array_equal(points[..., [0, -1], :], landmarks[..., [0, -1], :])
    assert model.select(points) is points
    np.testing.assert_array_equal(model.find_neighbours(points), model.find_neighbours(landmarks))


@pytest.mark.long
def test_frames_at_once_change_nothing_but_rounding():
    """Loss, statistics and gradients, all 20 frames at once and 5 at a time; a clip of blank frames among them."""
    with precision(True):
        landmarks, dmarkers, labels = (jnp.asarray(a, float) for a in batch())
        landmarks = landmarks.at[1, 2:].set(0)
        variables = variables_of(DFuseSmileNet(**ENCODER), landmarks[:1], dmarkers[:1])

        def run(frames_at_once):
            model = DFuseSmileNet(**ENCODER, frames_at_once=frames_at_once)

            def loss(params):
                settings = {"train": True, "rngs": {"dropout": jax.random.key(3)}, "mutable": ["batch_stats"]}
                logits, new = model.apply({**variables, "params": params}, landmarks, dmarkers, **settings)
                return optax.sigmoid_binary_cross_entropy(logits, labels).mean(), new

            return fast_to_compile(jax.value_and_grad(loss, has_aux=True))(variables["params"])

        whole, some = run(None), run(7)  # 7 does not divide 20: the largest number below it that does is taken
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(whole))
        close(whole, some)

"""The whole model at a small size: it trains with every fusion, in which precisions, what it tells the user."""

import functools
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import traverse_util
from jax.flatten_util import ravel_pytree
from smiles import precision

from dfuse_jax.models import FUSIONS, DFuseSmileNet, dfusesmilenet
from dfuse_jax.models.curvenet.curves import momentum_weights

BLIND = ["attention", "multihead_attention", "cross_attention", "multihead_cross_attention"]
SMALL = {
    "points": 32,
    "neighbours": 6,
    "entry": 8,
    "blocks": ((8, 2), (16, 2)),
    "curves": 8,
    "steps": 2,
    "tokens": 4,
    "depth": 1,
    "time_depth": 1,
    "heads": 2,
    "head_width": 8,
    "mlp": 16,
}
TINY = SMALL | {"blocks": ((16, 2),)}

# For what takes long to compile, and next to nothing to run: 17 models at once, say.
fast_to_compile = functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
quiet = pytest.mark.filterwarnings("ignore:the fusion .* cannot see the encoder")


def batch(size: int = 4):
    """Landmarks [size, 5, 478, 3], D-Markers [size, 225], labels [size]."""
    rng = np.random.default_rng(0)
    return (
        jnp.asarray(rng.uniform(size=(size, 5, 478, 3)), jnp.float32),
        jnp.asarray(rng.normal(size=(size, 225)), jnp.float32),
        jnp.arange(size) % 2,
    )


def flat(tree) -> dict[str, np.ndarray]:
    return traverse_util.flatten_dict(jax.device_get(tree), sep="/")


@pytest.fixture(scope="module")
def trained():
    """By fusion: losses [steps], and the largest gradients, in size, that head and encoder ever got.

    Each fusion trains a model of its own from landmarks to loss; the encoders, alike but for their values, are stacked
    and run under vmap, which leaves one function to compile.
    """
    landmarks, dmarkers, labels = batch()
    models = {name: DFuseSmileNet(fusion=name, **SMALL) for name in FUSIONS}
    trunk = models["none"]
    keys = jax.random.split(jax.random.key(1), len(models))
    frames = jnp.zeros((len(dmarkers), 1, trunk.width))

    @fast_to_compile
    def initial(keys):
        of_all = {n: m.init(keys[i], frames, dmarkers, method="classify") for i, (n, m) in enumerate(models.items())}
        encoders = jax.vmap(lambda key: trunk.init(key, landmarks, method="encode"))(keys)
        return encoders, {name: head["params"] for name, head in of_all.items()}

    encoders, heads = initial(keys)

    def losses(params, rng):
        def encode(params, stats, rng):
            variables, rngs = {"params": params, "batch_stats": stats}, {"dropout": rng}
            settings = {"train": True, "rngs": rngs, "mutable": ["batch_stats"], "method": "encode"}
            return trunk.apply(variables, landmarks, **settings)[0]

        rngs = jax.random.split(rng, len(models))
        frames = jax.vmap(encode)(params["encoders"], encoders["batch_stats"], rngs)
        losses = []
        for at, (name, model) in enumerate(models.items()):
            head, settings = params["heads"][name], {"train": True, "rngs": {"dropout": rngs[at]}, "method": "classify"}
            logits = model.apply({"params": head}, frames[at], dmarkers, **settings)
            losses.append(optax.sigmoid_binary_cross_entropy(logits, labels).mean())
        return sum(losses), jnp.stack(losses)

    vector, structured = ravel_pytree({"encoders": encoders["params"], "heads": heads})
    optimizer = optax.adam(3e-3)  # of one long vector: it compiles faster

    @fast_to_compile
    def train(vector):
        def step(carry, rng):
            vector, state, largest = carry
            gradient, now = jax.grad(lambda vector: losses(structured(vector), rng), has_aux=True)(vector)
            updates, state = optimizer.update(gradient, state)
            return (vector + updates, state, jnp.maximum(largest, jnp.abs(gradient))), now

        start = vector, optimizer.init(vector), jnp.zeros_like(vector)
        (_, _, largest), history = jax.lax.scan(step, start, jax.random.split(jax.random.key(2), 60))
        return history, largest

    history, largest = train(vector)
    largest = structured(largest)
    return {
        name: (np.asarray(history[:, at]), flat(largest["heads"][name]), flat(at_row(largest["encoders"], at)))
        for at, name in enumerate(models)
    }


def at_row(tree, row: int):
    return jax.tree.map(lambda leaf: leaf[row], tree)


@quiet
@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_fusion_trains(fusion, trained):
    losses, of_head, of_encoder = trained[fusion]
    assert losses[-10:].mean() < 0.6 * losses[:5].mean()
    untrained = {path.split("/")[1] for path, largest in of_head.items() if not largest.any()}
    if fusion in BLIND:  # what only chooses among the one key
        expected = {"query", "key", "x_map"} & {path.split("/")[1] for path in of_head}
        assert untrained == expected
        assert expected >= {"query"}
        assert not any(largest.any() for largest in of_encoder.values())
    else:
        assert not untrained
        assert all(largest.any() for largest in of_encoder.values())


@pytest.fixture(scope="module")
def tiny():
    """Variables of DFuseSmileNet(**TINY), and its embeddings of the batch's frames in evaluation."""
    landmarks, dmarkers, _ = batch()
    variables = fast_to_compile(DFuseSmileNet(**TINY).init)(jax.random.key(0), landmarks, dmarkers)
    return variables, embed(DFuseSmileNet(**TINY), variables)


def embed(model: DFuseSmileNet, variables: dict):
    return jax.jit(lambda variables: model.apply(variables, batch()[0], method="encode"))(variables)


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
    found = [[v.aval for v in eqn.invars] for eqn in jaxpr.eqns if eqn.primitive.name == "dot_general"]
    inner = [p for eqn in jaxpr.eqns for p in jax.tree.leaves(eqn.params, is_leaf=lambda p: hasattr(p, "eqns"))]
    inner = [getattr(p, "jaxpr", p) for p in inner]
    return found + [operands for p in inner if hasattr(p, "eqns") for operands in products(p)]


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


def test_momentum_as_meant_and_as_published():
    """The published code reads the softmax of [2, curves] as [curves, 2]; see `momentum_weights`."""
    logits = np.random.default_rng(0).normal(size=(1, 3, 2))
    weights = np.exp(logits[0]) / np.exp(logits[0]).sum(axis=1, keepdims=True)  # of curve i: weights[i]
    meant, published = (momentum_weights(jnp.asarray(logits), variant)[0] for variant in ("paper", "authors"))
    np.testing.assert_allclose(meant, weights, rtol=1e-6)
    (a, d), (b, e), (c, f) = weights
    np.testing.assert_allclose(published, [[a, b], [c, d], [e, f]], rtol=1e-6)
    assert not np.allclose(published.sum(axis=1), 1)  # no weights of a mean any more

    back = logits[:, ::-1]  # the curves in another order
    np.testing.assert_allclose(momentum_weights(jnp.asarray(back), "paper")[0], meant[::-1], rtol=1e-6)
    assert not np.allclose(momentum_weights(jnp.asarray(back), "authors")[0], published[::-1])


def test_default_is_not_as_published(tiny):
    assert DFuseSmileNet().variant == "paper"
    assert np.abs(embed(DFuseSmileNet(**TINY, variant="authors"), tiny[0]) - tiny[1]).max() > 1e-3


@pytest.mark.parametrize("fusion", BLIND)
def test_blind_fusion_warns_once(fusion):
    dfusesmilenet._warn_blind.cache_clear()
    with pytest.warns(UserWarning, match="cannot see the encoder") as caught:
        model = DFuseSmileNet(fusion=fusion, **SMALL)
    assert [warning.filename for warning in caught] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frames, dmarkers = jnp.ones((2, 3, 16)), jnp.ones((2, 225))
        model.init_with_output(jax.random.key(0), frames, dmarkers, method="classify")
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


def test_frames_at_once_change_nothing_but_rounding():
    """Loss, statistics and gradients, all 20 frames at once and 5 at a time; a clip of blank frames among them."""
    with precision(True):
        landmarks, dmarkers, labels = (jnp.asarray(a, float) for a in batch())
        landmarks = landmarks.at[1, 2:].set(0)
        variables = fast_to_compile(DFuseSmileNet(**TINY).init)(jax.random.key(0), landmarks[:1], dmarkers[:1])

        def run(at_once):
            model = DFuseSmileNet(**TINY, at_once=at_once)

            def loss(params):
                settings = {"train": True, "rngs": {"dropout": jax.random.key(3)}, "mutable": ["batch_stats"]}
                logits, new = model.apply({**variables, "params": params}, landmarks, dmarkers, **settings)
                return optax.sigmoid_binary_cross_entropy(logits, labels).mean(), new

            return fast_to_compile(jax.value_and_grad(loss, has_aux=True))(variables["params"])

        whole, some = run(None), run(7)  # 7 does not divide 20: the largest number below it that does is taken
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(whole))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12), whole, some)

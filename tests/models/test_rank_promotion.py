"""Networks where JAX refuses to broadcast arrays of different ranks: `jax_numpy_rank_promotion="raise"`.

It refuses while it traces. What it lets pass is the program without the option, to the letter, and so are its numbers.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from goldens import TENSORS
from networks import TINY, batch, ignore_blind, variables_of

from dfuse_jax.models import FUSIONS, DFuseSmileNet, from_torch, sizes

pytestmark = ignore_blind
RNGS = {"dropout": jax.random.key(3)}
LANDMARKS, DMARKERS, _ = batch(2)
FRAMES = jnp.ones((2, 3, 16))


def programs(model: DFuseSmileNet, variables: dict, inputs: tuple, method: str) -> str:
    """The jaxprs of evaluation, and of a training step's gradients."""

    def evaluate(variables, *inputs):
        return model.apply(variables, *inputs, method=method)

    def loss(params, *inputs):
        settings = {"train": True, "rngs": RNGS, "mutable": ["batch_stats"], "method": method}
        y, new = model.apply({**variables, "params": params}, *inputs, **settings)
        return jnp.sum(y**2), new

    gradients = jax.make_jaxpr(jax.value_and_grad(loss, has_aux=True))(variables.get("params", {}), *inputs)
    return f"{jax.make_jaxpr(evaluate)(variables, *inputs)}\n{gradients}"


def check(model: DFuseSmileNet, inputs: tuple, method: str):
    with jax.numpy_rank_promotion("allow"):
        variables = variables_of(model, *inputs, method=method)
        expected = programs(model, variables, inputs, method)
    with jax.numpy_rank_promotion("raise"):
        jax.eval_shape(lambda key: model.init(key, *inputs, method=method), jax.random.key(0))
        assert programs(model, variables, inputs, method) == expected


def test_the_option_finds_what_it_should():
    with jax.numpy_rank_promotion("raise"), pytest.raises(ValueError, match="rank_promotion"):
        jnp.ones((2, 3)) + jnp.ones(3)


@pytest.mark.parametrize(
    "settings",
    [
        {"variant": "paper"},
        {"variant": "authors", "frames_at_once": 3, "dtype": "bfloat16"},
        {"dropout": jnp.float32(0.3)},
    ],
    ids=str,
)
def test_the_encoder(settings):
    check(DFuseSmileNet(**TINY | settings), (LANDMARKS,), "encode")


@pytest.mark.parametrize("variant", ["paper", "authors"])
@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_fusion(fusion, variant):
    check(DFuseSmileNet(fusion=fusion, variant=variant, **TINY), (FRAMES, DMARKERS), "classify")


def test_from_torch():
    tensors = TENSORS["encoder"] | TENSORS["head"]["hadamard"]
    state = {name: np.ones(shape, np.float32) for name, shape in tensors.items()}
    sizes._encoder_shapes.cache_clear()
    with jax.numpy_rank_promotion("raise"):
        variables = from_torch(state, "hadamard")
    assert len(jax.tree.leaves(variables)) == len(state)

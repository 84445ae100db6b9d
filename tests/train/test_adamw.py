"""The fused AdamW, interpreted, against optax's: several steps, replicas of several settings, steps not taken."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dfuse_jax.train import Optimizer, adamw

SHAPES = [(), (5,), (3, 7), (1025,), (32, 32)]  # whole blocks, parts of one, and more than one
RATES, DECAYS = [0.01, 0.001, 0.5], [0.0, 0.01, 0.1]


def draw(rng, dtype):
    return {str(shape): jnp.asarray(rng.normal(size=(3, *shape)), dtype) for shape in SHAPES}


def run(step, dtype, steps=4):
    """Three replicas after some steps, the last of which only the first two take."""
    rng = np.random.default_rng(0)
    params = draw(rng, dtype)
    state = jax.vmap(Optimizer().transformation(0.0).init)(params)
    step = jax.jit(jax.vmap(step))
    for number in range(steps):
        pending = jnp.array([True, True, number < steps - 1])
        params, state = step(
            draw(rng, dtype), state, params, jnp.array(RATES, dtype), jnp.array(DECAYS, dtype), pending
        )
    return params, state


def of(optimizer):
    def step(gradient, state, params, rate, decay, pending):
        return optimizer.step(gradient, state, params, rate=rate, weight_decay=decay, pending=pending)

    return step


def optax_step(gradient, state, params, rate, decay, pending):
    adam, nothing = state
    update, (adam_after, *_) = optax.adamw(rate, weight_decay=decay).update(gradient, (adam, nothing, nothing), params)
    after = optax.apply_updates(params, update), (adam_after, nothing)
    return jax.tree.map(lambda new, old: jnp.where(pending, new, old), after, (params, state))


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 2e-6)])
@pytest.mark.parametrize("fused", [False, True])
def test_a_step_is_that_of_optax(monkeypatch, dtype, tolerance, fused):
    monkeypatch.setattr(adamw, "_ARRAYS", 2)  # several launches, the last one not full
    with jax.enable_x64(dtype == "float64"):
        ours, theirs = run(of(Optimizer(fused=fused)), dtype), run(optax_step, dtype)
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)  # checkpoints hold either
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
    np.testing.assert_array_equal(ours[1][0].count, [4, 4, 3])

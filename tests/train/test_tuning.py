"""Optimisers and schedules against values worked by hand and against optax and PyTorch's rule for SGD."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dfuse_jax.train import Optimizer, Tuning, random_key


def factors(optimizer, epochs, steps):
    """The learning rate's factor at every step of some epochs."""
    return [float(optimizer.schedule(jnp.int32(e), s / steps)) for e in range(epochs) for s in range(steps)]


def test_the_default_rate_is_constant():
    assert factors(Optimizer(), 3, 2) == [1.0] * 6


def test_milestones_multiply_the_rate_once_each():
    found = factors(Optimizer(milestones=(1, 3), milestone_factor=0.1), 4, 1)
    np.testing.assert_allclose(found, [1, 0.1, 0.1, 0.01], rtol=1e-6)


def test_the_rate_warms_up_step_by_step():
    found = factors(Optimizer(warmup_epochs=2, warmup_factor=0.2), 3, 2)
    np.testing.assert_allclose(found, [0.2, 0.4, 0.6, 0.8, 1.0, 1.0], rtol=1e-6)  # 0.2 + 0.8 t / 4


def test_sgd_takes_weight_decay_into_its_momentum():
    """As PyTorch documents it: v <- mu v + (g + wd p), p <- p - lr v."""
    transformation = Optimizer(name="sgd", momentum=0.9).transformation(0.1)
    params, velocity = jnp.array([2.0]), 0.0
    state = transformation.init(params)
    for gradient in (1.0, -3.0, 0.5):
        velocity = 0.9 * velocity + gradient + 0.1 * float(params[0])
        direction, state = transformation.update(jnp.array([gradient]), state, params)
        np.testing.assert_allclose(direction, [velocity], rtol=1e-6)
        params = params - 0.5 * direction


def test_adamw_is_optax_adamw():
    ours, theirs = Optimizer().transformation(0.01), optax.adamw(1.0, weight_decay=0.01)
    params = jnp.array([1.0, -2.0])
    states = ours.init(params), theirs.init(params)
    for gradient in ([0.1, 3.0], [-2.0, 0.0]):
        direction, first = ours.update(jnp.array(gradient), states[0], params)
        update, second = theirs.update(jnp.array(gradient), states[1], params)
        np.testing.assert_allclose(-direction, update, rtol=1e-6)
        params, states = params + update, (first, second)


def test_an_unknown_optimizer_is_refused():
    with pytest.raises(ValueError, match=r"'adam'; known: adamw, sgd\."):
        Optimizer(name="adam")


def test_keys_differ_by_seed_and_numbers():
    keys = [random_key(Tuning(seed=s), *n) for s in (0, 1) for n in ((), (0,), (1,), (0, 1), (1, 0))]
    assert len({jax.random.key_data(key).tobytes() for key in keys}) == 10

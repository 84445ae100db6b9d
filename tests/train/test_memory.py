"""The estimate of what fits a device's memory: by hand, and against XLA's own figure."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from witness import TUNING, Witness, numbered, replica

from dfuse_jax import train
from dfuse_jax.models import DFuseSmileNet
from dfuse_jax.systems.dfusesmilenet import Network, find_neighbours
from dfuse_jax.train import Settings, Tuning, memory
from dfuse_jax.train import epoch as epochs

SETTINGS = Settings(epochs=3, batch_size=4, eval_windows=1)


def test_the_estimate_counts_what_is_alive_at_once():
    def program(x):
        a = jnp.exp(x)
        b = jnp.sin(a) * jnp.cos(a)  # a, its sine and its cosine are three; then these two and b
        return jax.lax.fori_loop(0, 5, lambda _, c: jnp.tanh(c), b)  # b and what the loop makes of it

    x = np.zeros(1000, np.float32)
    assert memory._peak(jax.make_jaxpr(program)(x).jaxpr) == pytest.approx(3 * 4000, abs=50)
    assert memory._peak(jax.make_jaxpr(lambda x: jnp.sum(x))(x).jaxpr) == 4


@pytest.mark.slow
def test_the_estimate_of_a_replicas_memory_is_what_xla_takes():
    model = DFuseSmileNet(points=16, neighbours=4, entry=4, blocks=((8, 2),), curves=4, steps=2, tokens=2)
    network = Network(model.clone(depth=1, time_depth=0, heads=1, head_width=4, mlp=8))
    points = np.random.default_rng(3).uniform(size=(201, 16, 3)).astype(np.float32)
    length = np.full(10, 20, np.int32)
    inputs = train.Inputs(
        per_frame={"points": points, "neighbours": find_neighbours(points, 5)},
        per_video={"dmarkers": np.ones((10, 225), np.float32)},
        first=np.cumsum(length, dtype=np.int32) - length,
        length=length,
        label=np.ones(10, np.float32),
    )
    assignment = train.assign([replica(8, 1)], Tuning())
    one = jax.tree.map(lambda x: x[0], assignment)
    state = jax.eval_shape(functools.partial(epochs.initialise, network, SETTINGS), one, inputs)
    run = jax.jit(functools.partial(epochs.run_epoch, network, SETTINGS), donate_argnums=0)
    plan = run.lower(state, one, inputs, np.int32(0), np.bool_(False)).compile().memory_analysis()
    taken = plan.temp_size_in_bytes + plan.output_size_in_bytes
    estimate = sum(memory.memory_of_replica(network, SETTINGS, assignment, inputs))
    assert 0.9 * taken <= estimate <= 1.4 * taken


def test_so_many_replicas_as_fit_the_smallest_device():
    class Device:
        def __init__(self, limit, platform="gpu"):
            self.limit, self.platform = limit, platform

        def memory_stats(self):
            return {"bytes_limit": self.limit}

    network, inputs = Witness(12), numbered()
    assignment = train.assign([replica(8, 3)] * 2, TUNING)
    state, steps = memory.memory_of_replica(network, SETTINGS, assignment, inputs)
    need = state + steps
    shared = sum(x.nbytes for x in jax.tree.leaves(inputs))
    roomy, small = Device((shared + 9.5 * need) / memory.SHARE), Device((shared + 3.5 * need) / memory.SHARE)
    for devices, fitting in (([roomy], 9), ([roomy, small], 6), ([Device(1)], 1)):
        assert train.replicas_that_fit(network, SETTINGS, assignment, inputs, devices) == fitting
    one_by_one = Device((shared + steps + 2 * 7.5 * state) / memory.SHARE, "cpu")
    assert train.replicas_that_fit(network, SETTINGS, assignment, inputs, [one_by_one]) == 7

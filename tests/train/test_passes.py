"""Passes: how replicas are split, that it changes no number, what it leaves on the disk, and what fits a memory."""

import contextlib
import functools
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from witness import Witness, numbered

from dfuse_jax import train
from dfuse_jax.data.folds import Replica
from dfuse_jax.models import DFuseSmileNet
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.train import epoch as epochs
from dfuse_jax.train import memory

ENCODER = {"points": 16, "neighbours": 4, "entry": 4, "blocks": ((8, 2),), "curves": 4, "steps": 2, "tokens": 2}
MODEL = DFuseSmileNet(**ENCODER, depth=1, time_depth=0, heads=1, head_width=4, mlp=8)
SETTINGS = train.Settings(epochs=3, batch_size=4, eval_windows=1)
TRAINED = [5, 12, 4, 9, 8, 11, 7]  # videos; replicas of a pass take unequally many steps


@pytest.fixture(scope="module")
def videos():
    rng = np.random.default_rng(3)
    frames = [rng.uniform(size=(rng.integers(5, 40), 478, 3)) for _ in range(14)]
    return train.pack(MODEL, frames, np.arange(14) % 2, rng.normal(size=(14, 225)))


def replicas(order=range(7)):
    everyone = np.arange(14)
    return [Replica(0, r, everyone[: TRAINED[r]], everyone[TRAINED[r] : -1], everyone[-1:]) for r in order]


@given(st.integers(1, 300), st.integers(0, 300), st.integers(1, 16))
def test_passes_are_equal_few_and_hold_everyone(number, at_most, devices):
    size = train.pass_size(number, at_most, devices)
    groups = train.passes(number, size)
    assert [r for members in groups for r in members] == list(range(number))
    assert {len(members) for members in groups[:-1]} <= {size}
    fitting = -(-(at_most or number) // devices)  # on each device
    assert size % devices == 0 and size // devices <= fitting
    assert len(groups) <= -(-number // (fitting * devices))  # fewer need no more room


def test_a_replica_ends_bit_for_bit_the_same_in_whatever_pass_and_place(videos):
    """Seven replicas, three at a time: two full passes, then one replica. On a CPU also seven at a time."""
    whole = train.train(MODEL, videos, replicas(), SETTINGS, size=3)
    order = [6, 2, 0, 5, 1, 4, 3]
    other = train.train(MODEL, videos, replicas(order), SETTINGS, size=7 if jax.default_backend() == "cpu" else 3)
    for a, b in zip(jax.tree.leaves(other.state), jax.tree.leaves(whole.state), strict=True):
        assert a.dtype == np.float32
        np.testing.assert_array_equal(a, b[order])
    for a, b in zip(other.history, whole.history, strict=True):
        np.testing.assert_array_equal(a, b[:, order])
    head = whole.state.params["head"]["kernel"]
    assert len({row.tobytes() for row in head}) == 7  # no replica has another's numbers


class Stop(Exception):
    pass


def run(directory, stop=None):
    """Trains in passes of three and stops after so many epochs; returns those that it saw, and what it ended with."""
    seen, done = [], None

    def on_epoch(number, history):
        seen.append(number)
        if number == stop:
            raise Stop

    checkpoints = train.Checkpoints(directory, every=2)
    with contextlib.closing(checkpoints), contextlib.suppress(Stop):
        more = {"size": 3, "checkpoints": checkpoints, "on_epoch": on_epoch}
        done = train.train(Witness(14), numbered((20,) * 14), replicas(), SETTINGS, **more)
    return seen, done


def same(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(x, y)


def numbers(directory):
    return sorted(int(path.name) for path in directory.iterdir() if path.name.isdigit())


def told(path):
    """What a checkpoint says that it holds."""
    return "".join(file.read_text() for file in path.rglob("_METADATA"))


def test_stopped_in_any_pass_it_goes_on_there(tmp_path):
    whole = train.train(Witness(14), numbered((20,) * 14), replicas(), SETTINGS, size=3)
    assert run(tmp_path, stop=1)[0] == [0, 1]
    assert run(tmp_path, stop=6)[0] == [0, 1, 2, 3, 4, 5, 6]  # epoch 1 was not saved
    assert numbers(tmp_path) == [3, 5, 6]  # the ends of passes, and the one before
    assert "optimizer" in told(tmp_path / "5") and "optimizer" not in told(tmp_path / "6")  # the end of a pass
    assert run(tmp_path, stop=8)[0] == [6, 7, 8]
    assert numbers(tmp_path) == [3, 6, 8]
    seen, resumed = run(tmp_path)
    assert seen == [8, 9]
    same(resumed, whole)
    seen, again = run(tmp_path)
    assert seen == [9]  # nothing is trained again
    same(again, whole)


def test_only_a_pass_whose_end_is_damaged_is_trained_again(tmp_path):
    _, whole = run(tmp_path)
    for path in (tmp_path / "3").rglob("*"):
        if path.is_file() and path.parent.name == "d":
            path.write_bytes(path.read_bytes()[:10])
    with pytest.raises(UserError, match=r"damaged \(3\)\. Delete"):
        run(tmp_path)
    shutil.rmtree(tmp_path / "3")
    assert run(tmp_path, stop=8)[0] == [6, 7, 8]
    seen, again = run(tmp_path)
    assert seen == [8, 9]
    same(again, whole)
    assert 3 in numbers(tmp_path)


def test_a_pass_that_does_not_fit_names_the_setting():
    def on_epoch(done, history):
        if done:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")  # as a device says it

    with pytest.raises(UserError, match=r"^3 replicas at once do not fit .* --config.train.replicas_per_pass"):
        train.train(Witness(14), numbered((20,) * 14), replicas(), SETTINGS, size=3, on_epoch=on_epoch)


def test_the_estimate_counts_what_is_alive_at_once():
    def program(x):
        a = jnp.exp(x)
        b = jnp.sin(a) * jnp.cos(a)  # a, its sine and its cosine are three; then these two and b
        return jax.lax.fori_loop(0, 5, lambda _, c: jnp.tanh(c), b)  # b and what the loop makes of it

    x = np.zeros(1000, np.float32)
    assert memory._peak(jax.make_jaxpr(program)(x).jaxpr) == pytest.approx(3 * 4000, abs=50)
    assert memory._peak(jax.make_jaxpr(lambda x: jnp.sum(x))(x).jaxpr) == 4


@pytest.mark.slow
def test_the_estimate_of_a_replicas_memory_is_what_xla_takes(videos):
    assignment = train.assign(replicas())
    one = jax.tree.map(lambda a: a[0], assignment)
    epoch = functools.partial(epochs.run, MODEL, SETTINGS)
    state = jax.eval_shape(functools.partial(epochs.init, MODEL, SETTINGS), one, videos)
    found = jax.jit(epoch, donate_argnums=0).lower(state, one, videos, np.int32(0)).compile().memory_analysis()
    taken = found.temp_size_in_bytes + found.output_size_in_bytes
    estimate = sum(memory.of_replica(MODEL, SETTINGS, assignment, videos))
    assert 0.9 * taken <= estimate <= 1.4 * taken


def test_so_many_replicas_as_fit_the_smallest_device(videos):
    class Device:
        def __init__(self, limit, platform="gpu"):
            self.limit, self.platform = limit, platform

        def memory_stats(self):
            return {"bytes_limit": self.limit}

    assignment = train.assign(replicas())
    state, steps = memory.of_replica(MODEL, SETTINGS, assignment, videos)
    need = state + steps
    shared = sum(a.nbytes for a in jax.tree.leaves(videos))
    roomy, small = Device((shared + 9.5 * need) / memory.SHARE), Device((shared + 3.5 * need) / memory.SHARE)
    for devices, fitting in (([roomy], 9), ([roomy, small], 6), ([Device(1)], 1)):
        assert train.fitting(MODEL, SETTINGS, assignment, videos, devices) == fitting
    one_by_one = Device((shared + steps + 2 * 7.5 * state) / memory.SHARE, "cpu")
    assert train.fitting(MODEL, SETTINGS, assignment, videos, [one_by_one]) == 7

"""Passes: how replicas are split, that it changes no number, and what it leaves on the disk."""

import contextlib
import shutil

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from witness import TUNING, Witness, numbered

from dfuse_jax import train
from dfuse_jax.models import DFuseSmileNet
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.systems.dfusesmilenet import Network, find_neighbours
from dfuse_jax.train import Replica, Settings, Tuning

ENCODER = {"points": 16, "neighbours": 4, "entry": 4, "blocks": ((8, 2),), "curves": 4, "steps": 2, "tokens": 2}
NETWORK = Network(DFuseSmileNet(**ENCODER, depth=0, time_depth=0, heads=1, head_width=4, mlp=8))
SETTINGS = Settings(epochs=3, batch_size=4, eval_windows=1)
TRAINED = [5, 12, 4, 9, 8, 11, 7]  # videos; replicas of a pass take unequally many steps


@pytest.fixture(scope="module")
def videos():
    rng = np.random.default_rng(3)
    length = rng.integers(5, 40, 14).astype(np.int32)
    frames = (rng.uniform(size=(n, 16, 3)).astype(np.float32) for n in length)
    points = train.end_to_end(frames, frames=int(length.sum()))
    return train.Inputs(
        per_frame={"points": points, "neighbours": find_neighbours(points, 5)},
        per_video={"dmarkers": rng.normal(size=(14, 225)).astype(np.float32)},
        first=np.cumsum(length, dtype=np.int32) - length,
        length=length,
        label=(np.arange(14) % 2).astype(np.float32),
    )


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


@pytest.mark.long
def test_a_replica_ends_bit_for_bit_the_same_in_whatever_pass_and_place(videos):
    """Seven replicas, three at a time: two full passes, then one replica. On a CPU also seven at a time."""
    whole, history = train.train(NETWORK, videos, replicas(), Tuning(), SETTINGS, size=3)
    order = [6, 2, 0, 5, 1, 4, 3]
    size = 7 if jax.default_backend() == "cpu" else 3
    other, other_history = train.train(NETWORK, videos, replicas(order), Tuning(), SETTINGS, size=size)
    for a, b in zip(jax.tree.leaves(other), jax.tree.leaves(whole), strict=True):
        assert a.dtype == np.float32
        np.testing.assert_array_equal(a, b[order])
    for a, b in zip(other_history, history, strict=True):
        np.testing.assert_array_equal(a, b[:, order])
    head = whole.params["head"]["kernel"]
    assert len({row.tobytes() for row in head}) == 7  # no replica has another's numbers


class Stop(Exception):
    pass


def run(directory, stop=None):
    """Trains in passes of three and stops after so many epochs; returns those that it saw, and what it ended with."""
    seen, result = [], None

    def on_epoch(progress):
        seen.append(progress.done)
        if progress.done == stop:
            raise Stop

    network, inputs = Witness(14), numbered((20,) * 14)
    checkpoints = train.Checkpoints(directory, every=2)
    with contextlib.closing(checkpoints), contextlib.suppress(Stop):
        _, history = train.train(
            network, inputs, replicas(), TUNING, SETTINGS, size=3, checkpoints=checkpoints, on_epoch=on_epoch
        )
        result = train.restore_trained(network, SETTINGS, inputs, checkpoints, replicas=7), history
    return seen, result


def same(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_array_equal(x, y)


def numbers(directory):
    return sorted(int(path.name) for path in directory.iterdir() if path.name.isdigit())


def metadata(path):
    """What a checkpoint says that it holds."""
    return "".join(file.read_text() for file in path.rglob("_METADATA"))


def test_stopped_in_any_pass_it_goes_on_there(tmp_path):
    whole = train.train(Witness(14), numbered((20,) * 14), replicas(), TUNING, SETTINGS, size=3)
    assert run(tmp_path, stop=1)[0] == [0, 1]
    assert run(tmp_path, stop=6)[0] == [0, 1, 2, 3, 4, 5, 6]  # epoch 1 was not saved
    assert numbers(tmp_path) == [3, 5, 6]  # the ends of passes, and the one before
    assert "optimizer" in metadata(tmp_path / "5") and "optimizer" not in metadata(tmp_path / "6")  # the end of a pass
    assert run(tmp_path, stop=8)[0] == [6, 7, 8]
    assert numbers(tmp_path) == [3, 6, 8]
    seen, resumed = run(tmp_path)
    assert seen == [8, 9]
    same(resumed, whole)
    seen, again = run(tmp_path)
    assert seen == [9]  # nothing is trained again
    same(again, whole)


def test_the_first_replicas_can_be_restored_alone(tmp_path):
    _, (whole, _) = run(tmp_path)
    shutil.rmtree(tmp_path / "9")  # the last pass: its replica is not asked for
    checkpoints = train.Checkpoints(tmp_path)
    with contextlib.closing(checkpoints):
        four = train.restore_trained(Witness(14), SETTINGS, numbered((20,) * 14), checkpoints, replicas=4)
    same(four, jax.tree.map(lambda x: x[:4], whole))


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

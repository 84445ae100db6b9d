"""Run by train/test_loop.py with several virtual devices and float64: what a fold ends with depends on nobody else."""

import pathlib
import re
import sys

import jax
import numpy as np
from witness import TUNING, Witness, numbered

from dfuse_jax import train
from dfuse_jax.models import DFuseSmileNet
from dfuse_jax.systems.dfusesmilenet import Network, find_neighbours
from dfuse_jax.train import Inputs, Replica, Settings, Tuning, end_to_end, loop

MODEL = DFuseSmileNet(
    points=24,
    neighbours=4,
    entry=4,
    blocks=((8, 2),),
    curves=5,
    steps=2,
    tokens=3,
    depth=1,
    time_depth=0,
    heads=2,
    head_width=4,
    mlp=8,
)
SETTINGS = Settings(epochs=2, batch_size=4)
REPLICAS = [
    Replica(0, 0, np.arange(0, 15), np.arange(0), np.arange(15, 20)),
    Replica(0, 0, np.arange(0, 9), np.arange(9, 15), np.arange(15, 20)),
    Replica(1, 1, np.arange(17, 20), np.arange(0), np.arange(0, 6)),
]


def videos() -> Inputs:
    """Twenty random videos."""
    rng = np.random.default_rng(3)
    length = rng.integers(5, 40, 20).astype(np.int32)
    points = end_to_end((rng.uniform(size=(n, 24, 3)) for n in length), frames=int(length.sum()))
    return Inputs(
        per_frame={"points": points, "neighbours": find_neighbours(points, 5)},
        per_video={"dmarkers": rng.normal(size=(20, 225))},
        first=np.cumsum(length, dtype=np.int32) - length,
        length=length,
        label=rng.integers(0, 2, 20).astype(float),
    )


def close(a, b, tolerance=1e-7):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=1e-9)


def equality():
    """Trains 3 unequal folds together on one device and on all, and one of them alone."""
    inputs, devices = videos(), jax.devices()

    def run(replicas, devices):
        return train.train(Network(MODEL), inputs, replicas, Tuning(seed=5), SETTINGS, devices=devices)

    together = run(REPLICAS, devices[:1])
    assert all(leaf.dtype != np.float32 for leaf in jax.tree.leaves(together[0]))
    alone, history = run(REPLICAS[1:2], devices[:1])
    close(jax.tree.map(lambda x: x[1], together[0]), jax.tree.map(lambda x: x[0], alone))
    close(together[1].losses[:, 1], history.losses[:, 0], 1e-6)
    tested = history.probabilities[:, 0]
    close(together[1].probabilities[:, 1, : tested.shape[1]], tested, 1e-6)
    close(together, run(REPLICAS, devices))
    head = together[0].params["head"]["kernel"]
    assert np.abs(head[0] - head[1]).max() > 1e-3  # the comparisons above could have failed
    print(len(devices), "devices")


def program():
    """Trains on all devices and counts what is compiled; looks for collectives in the epoch's program."""
    inputs, devices, network = numbered((20,) * 20), jax.devices(), Witness(20)
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda name, _, **fields: compiled.append(fields["fun_name"]) if "backend_compile" in name else None
    )
    replicas = [Replica(0, n, np.arange(0, 15), np.arange(0), np.arange(15, 20)) for n in range(6)]
    train.train(network, inputs, replicas, TUNING, SETTINGS, size=len(devices))  # the second pass holds two
    assert len(compiled) == 2, compiled  # what initialises the replicas, and the epoch
    placement = loop._place(devices, len(devices))
    initialise, run_epoch = loop._programs(network, SETTINGS, placement)
    slots = placement.spread(train.assign(replicas, TUNING))
    inputs = placement.replicate(inputs)
    state = initialise(slots, inputs)
    text = (
        run_epoch.lower(state, slots, inputs, *placement.replicate((np.int32(0), np.bool_(False)))).compile().as_text()
    )
    assert f"num_partitions={len(devices)}" in text, text[:300]
    collectives = re.findall(r"all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter", text)
    assert not collectives, collectives
    print(len(devices), "devices, compiled once each, no collective")


def resume(directory):
    """Trains on from where another number of devices stopped, one more epoch; tells when it ended as undisturbed."""
    inputs, network, settings = numbered((20,) * 20), Witness(20), Settings(epochs=3, batch_size=4)
    checkpoints = train.Checkpoints(pathlib.Path(directory), every=1)
    reported = []

    class Stop(Exception):
        pass

    def on_epoch(progress):
        reported.append(progress.done)
        if len(reported) == 2 and progress.done < 3:
            raise Stop

    try:
        train.train(network, inputs, REPLICAS, TUNING, settings, checkpoints=checkpoints, on_epoch=on_epoch)
    except Stop:
        return
    state = train.restore_trained(network, settings, inputs, checkpoints, replicas=3)
    checkpoints.close()
    close(state, train.train(network, inputs, REPLICAS, TUNING, settings)[0])
    print("ended as undisturbed after", reported)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])

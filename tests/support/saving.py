"""Run twice by train/test_checkpoint.py: two processes save and restore 400 MB together, and say what that took."""

import sys

import jax
import numpy as np

from dfuse_jax import train
from dfuse_jax.runtime import messages
from dfuse_jax.train.devices import Placement

ARRAYS, WIDTH, REPLICAS = 10, 1_250_000, 8
SHARE = ARRAYS * WIDTH * REPLICAS // 2 * 4  # bytes of each process


def memory(field):
    """Returns bytes of this process: VmRSS now, or VmHWM at most."""
    with open("/proc/self/status") as file:
        return next(1024 * int(line.split()[1]) for line in file if line.startswith(field))


def main(rank, port, directory):
    """Prints by how many times its share a process grew while it saved."""
    jax.distributed.initialize(f"localhost:{port}", 2, int(rank), cluster_detection_method="deactivate")
    placement = Placement(tuple(jax.local_devices()), REPLICAS // 2, process=int(rank), processes=2)
    checkpoints = train.Checkpoints(directory)
    rows = {str(n): np.random.default_rng(n).random((REPLICAS, WIDTH), np.float32) for n in range(ARRAYS)}
    state = jax.block_until_ready(placement.spread(rows))
    del rows
    messages.exchange("ready")
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak begins anew
    before = memory("VmRSS")
    joined = placement.join(state)
    checkpoints.save(1, joined, {"losses": np.ones(1)})
    state = placement.split(joined)
    print((memory("VmHWM") - before) / SHARE, flush=True)

    like = {name: placement.global_shape(jax.ShapeDtypeStruct((WIDTH,), np.float32)) for name in state}
    restored, _ = checkpoints.restore(1, state=like)
    for name, array in placement.fetch(placement.split(restored)).items():
        first = int(rank) * REPLICAS // 2
        expected = np.random.default_rng(int(name)).random((REPLICAS, WIDTH), np.float32)
        np.testing.assert_array_equal(array, expected[first : first + REPLICAS // 2])
    checkpoints.close()
    messages.exchange("done")


if __name__ == "__main__":
    main(*sys.argv[1:])

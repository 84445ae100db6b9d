"""Run by test_train.py with 8 devices and float64: what a fold ends with depends on nobody beside or before it."""

import jax
import numpy as np

from dfuse_jax import train
from dfuse_jax.data.folds import Replica
from dfuse_jax.models import DFuseSmileNet


def close(many, row, one):
    """Replica `row` of `many` ended as the only replica of `one`."""
    for a, b in zip(jax.tree.leaves(many.state), jax.tree.leaves(one.state), strict=True):
        np.testing.assert_allclose(a[row], b[0], rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(many.history.losses[:, row], one.history.losses[:, 0], rtol=1e-6)
    tested = one.history.probabilities[:, 0]
    np.testing.assert_allclose(many.history.probabilities[:, row, : tested.shape[1]], tested, rtol=1e-6)


def main():
    """Trains 3 unequal folds together on 1 and on 8 devices, one after another, and one of them alone."""
    model = DFuseSmileNet(
        points=24,
        neighbours=4,
        entry=4,
        blocks=((8, 2),),
        curves=5,
        steps=2,
        tokens=3,
        depth=1,
        time_depth=1,
        heads=2,
        head_width=4,
        mlp=8,
    )
    rng = np.random.default_rng(3)
    frames = [rng.uniform(size=(rng.integers(5, 40), 478, 3)) for _ in range(20)]
    videos = train.pack(model, frames, rng.integers(0, 2, 20), rng.normal(size=(20, 225)))
    some = np.arange
    replicas = [
        Replica(0, 0, some(0, 15), some(0), some(15, 20)),
        Replica(0, 0, some(0, 9), some(9, 15), some(15, 20)),
        Replica(1, 1, some(17, 20), some(0), some(0, 6)),
    ]
    settings = train.Settings(epochs=2, batch_size=4, seed=5)
    devices = jax.devices()
    together = train.train(model, videos, replicas, settings, devices=devices[:1])
    assert all(leaf.dtype != np.float32 for leaf in jax.tree.leaves(together.state))
    close(together, 1, train.train(model, videos, replicas[1:2], settings, devices=devices[:1]))
    spread = train.train(model, videos, replicas, settings, devices=devices)
    for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(spread), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9)
    after = train.train(model, videos, replicas, settings, devices=devices[:1], size=1)
    for a, b in zip(jax.tree.leaves(after), jax.tree.leaves(spread), strict=True):
        np.testing.assert_array_equal(a, b)  # the same program, once on three devices, once three times on one
    head = together.state.params["head"]["kernel"]
    assert np.abs(head[0] - head[1]).max() > 1e-3  # the comparisons above could have failed
    print(len(devices), "devices")


if __name__ == "__main__":
    main()

"""What a training epoch reads, as arrays on the device: the videos, and which of them each replica uses."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from dfuse_jax.data.folds import Replica


class Videos(NamedTuple):
    """All videos, end to end without padding; F frames, V videos, N landmarks, P points of the model.

    Attributes:
        frames: [F + 1, N, 3], the network's input; the last one is zeros, for clips longer than their video.
        neighbours: [F + 1, P, K + 1], each point's nearest ones (they never change, so they are found once).
        first: [V], where a video begins in `frames`.
        length: [V], its frames.
        label: [V], 1.0 spontaneous, 0.0 posed.
        dmarkers: [V, 225].
    """

    frames: Array
    neighbours: Array
    first: Array
    length: Array
    label: Array
    dmarkers: Array


class Assignment(NamedTuple):
    """A replica's videos; stacked over replicas, every array has one more axis in front.

    Attributes:
        run, fold, validated: [], who the replica is (its random keys derive from them).
        train: [n] video indices, of which the first `train_size` count.
        train_size: [].
        evaluate: [E] video indices, those that choose the epoch and then those that test, then repeats as padding.
    """

    run: Array
    fold: Array
    validated: Array
    train: Array
    train_size: Array
    evaluate: Array


def pack(model, frames: Sequence[np.ndarray], labels, dmarkers, *, chunk: int = 256) -> Videos:
    """Puts videos (network input, each [T, N, 3]) end to end; finds points' neighbours, `chunk` frames at once."""
    length = np.array([len(f) for f in frames])
    packed = np.concatenate([*frames, np.zeros_like(frames[0][:1])])
    # Neighbours fit 16 bits, which halves the largest array on the device.
    find = jax.jit(lambda x: jax.lax.map(model.find_neighbours, x, batch_size=chunk).astype(jnp.int16))
    packed = jnp.asarray(packed, float)  # JAX's default precision
    return Videos(
        frames=packed,
        neighbours=find(packed),
        first=jnp.asarray(np.cumsum(length) - length, jnp.int32),
        length=jnp.asarray(length, jnp.int32),
        label=jnp.asarray(labels, float),
        dmarkers=jnp.asarray(dmarkers, float),
    )


def assign(replicas: Sequence[Replica]) -> Assignment:
    """Stacks the replicas' video indices, padded to the longest by repeating the first: arrays [R, ...] on the host."""

    def padded(rows):
        longest = max(len(row) for row in rows)
        return np.stack([np.concatenate([row, np.full(longest - len(row), row[0])]) for row in rows]).astype(np.int32)

    def column(values):
        return np.array(list(values), np.int32)

    return Assignment(
        run=column(r.run for r in replicas),
        fold=column(r.fold for r in replicas),
        validated=column(r.validated for r in replicas),
        train=padded([r.train for r in replicas]),
        train_size=column(len(r.train) for r in replicas),
        evaluate=padded([np.concatenate([r.val, r.test]) for r in replicas]),
    )

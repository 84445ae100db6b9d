"""A network whose state tells which videos it has seen, and videos whose frames tell where they are from."""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from dfuse_jax.train import Inputs, Replica, Tuning, cross_entropy, end_to_end

TUNING = Tuning(dropout=0.0)


class Outputs(NamedTuple):
    logits: jax.Array


class Witness(nn.Module):
    """A network that counts, in its batch statistics, the videos it is trained on: their frames hold their number."""

    videos: int

    @nn.compact
    def __call__(self, clip, video, *, train=False, dropout=0.0):
        seen = self.variable("batch_stats", "seen", jnp.zeros, self.videos)
        if train:
            seen.value += jax.nn.one_hot(clip["points"][:, 0, 0].astype(int), self.videos).sum(0)
        return Outputs(nn.Dense(1)(video["features"])[:, 0])

    @nn.nowrap
    def loss(self, outputs, label, video, params):
        return cross_entropy(outputs, label)

    @nn.nowrap
    def suited_to(self, platform, replicas):
        return self


def numbered(lengths=(20,) * 12, features=None):
    """Videos whose frames hold (video, frame, 1), and 7 features each."""
    frames = [np.array([[v, t, 1] for t in range(n)], np.float32) for v, n in enumerate(lengths)]
    length = np.array(lengths, np.int32)
    features = np.random.default_rng(0).normal(size=(len(frames), 7)) if features is None else features
    return Inputs(
        per_frame={"points": end_to_end(frames, frames=sum(lengths))},
        per_video={"features": np.asarray(features, jnp.result_type(float))},
        first=np.cumsum(length, dtype=np.int32) - length,
        length=length,
        label=(np.arange(len(frames)) % 2).astype(jnp.result_type(float)),
    )


def replica(n_train, n_val, n_test=1, *, fold=0):
    """A replica on the first videos; the next ones choose its epoch, and then come those that test."""
    rest = np.arange(n_train, n_train + n_val + n_test)
    return Replica(0, fold, np.arange(n_train), rest[:n_val], rest[n_val:])

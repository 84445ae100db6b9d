"""Training of all replicas of a cross-validation at once: it knows arrays, but neither data files nor models."""

from dfuse_jax.train.arrays import Assignment, Inputs, Replica, as_clips, assign, cut, end_to_end, take
from dfuse_jax.train.checkpoint import Checkpoints
from dfuse_jax.train.epoch import State, draw_windows, initialise, loss_and_gradient, over_replicas, predict
from dfuse_jax.train.loop import restore_trained, train, trained_shapes
from dfuse_jax.train.memory import replicas_that_fit
from dfuse_jax.train.network import Network, cross_entropy
from dfuse_jax.train.passes import History, Progress, pass_size, passes
from dfuse_jax.train.tuning import OPTIMIZERS, Optimizer, Settings, Tuning, random_key

__all__ = [
    "OPTIMIZERS",
    "Assignment",
    "Checkpoints",
    "History",
    "Inputs",
    "Network",
    "Optimizer",
    "Progress",
    "Replica",
    "Settings",
    "State",
    "Tuning",
    "as_clips",
    "assign",
    "cross_entropy",
    "cut",
    "draw_windows",
    "end_to_end",
    "initialise",
    "loss_and_gradient",
    "over_replicas",
    "pass_size",
    "passes",
    "predict",
    "random_key",
    "replicas_that_fit",
    "restore_trained",
    "take",
    "train",
    "trained_shapes",
]

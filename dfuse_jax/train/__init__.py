"""Training of all replicas of a cross-validation at once; knows arrays, not files of data."""

from dfuse_jax.train.arrays import Assignment, Videos, assign, pack
from dfuse_jax.train.checkpoint import Checkpoints
from dfuse_jax.train.epoch import Settings, State, beside, predict
from dfuse_jax.train.loop import blank, train
from dfuse_jax.train.memory import fitting
from dfuse_jax.train.passes import History, Progress, pass_size, passes

__all__ = [
    "Assignment",
    "Checkpoints",
    "History",
    "Progress",
    "Settings",
    "State",
    "Videos",
    "assign",
    "beside",
    "blank",
    "fitting",
    "pack",
    "pass_size",
    "passes",
    "predict",
    "train",
]

"""D-FuseSmileNet as Flax modules; they know nothing of data."""

from dfuse_jax.models.authors.convert import from_torch, head_from_torch, to_torch
from dfuse_jax.models.dfusesmilenet import DFuseSmileNet
from dfuse_jax.models.fusion import FUSIONS

__all__ = ["FUSIONS", "DFuseSmileNet", "from_torch", "head_from_torch", "to_torch"]

"""D-FuseSmileNet as Flax modules; they know nothing of data."""

from dfuse_jax.models.dfusesmilenet import DFuseSmileNet
from dfuse_jax.models.fusion import FUSIONS
from dfuse_jax.models.published import from_torch, head_from_torch

__all__ = ["FUSIONS", "DFuseSmileNet", "from_torch", "head_from_torch"]

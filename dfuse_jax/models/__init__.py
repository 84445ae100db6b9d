"""D-FuseSmileNet and the networks of earlier systems as Flax modules; they know nothing of data."""

from dfuse_jax.models.authors.convert import from_torch, head_from_torch, to_torch
from dfuse_jax.models.authors.systems import system_from_torch
from dfuse_jax.models.deepmarkernet import DeepMarkerNet
from dfuse_jax.models.dfusesmilenet import DFuseSmileNet
from dfuse_jax.models.fusion import FUSIONS
from dfuse_jax.models.p4transformer import P4Transformer
from dfuse_jax.models.pstnet import PSTNet
from dfuse_jax.models.realsmilenet import RealSmileNet
from dfuse_jax.models.vit import FrameViT, LandmarkViT

__all__ = [
    "FUSIONS",
    "DFuseSmileNet",
    "DeepMarkerNet",
    "FrameViT",
    "LandmarkViT",
    "P4Transformer",
    "PSTNet",
    "RealSmileNet",
    "from_torch",
    "head_from_torch",
    "system_from_torch",
    "to_torch",
]

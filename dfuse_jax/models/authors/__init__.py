"""Checkpoints of the authors' PyTorch releases."""

from dfuse_jax.models.authors.convert import from_torch, head_from_torch, to_torch
from dfuse_jax.models.authors.systems import system_from_torch

__all__ = ["from_torch", "head_from_torch", "system_from_torch", "to_torch"]

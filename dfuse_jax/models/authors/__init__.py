"""Checkpoints of the authors' PyTorch release."""

from dfuse_jax.models.authors.convert import from_torch, head_from_torch, to_torch

__all__ = ["from_torch", "head_from_torch", "to_torch"]

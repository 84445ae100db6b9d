"""Point encoder: CurveNet on the landmarks of one frame."""

from dfuse_jax.models.curvenet.encoder import CurveNet

__all__ = ["CurveNet"]

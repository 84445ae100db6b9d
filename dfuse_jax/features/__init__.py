"""Texture and motion of pictures of a face, as functions of arrays: what the systems before the networks read.

Pictures are grey or RGB, of any values; functions of JAX can be transformed and compiled, those of scikit-image (`hog`,
`flow`) are cached in files.
"""

from dfuse_jax.features.clbp import clbp_top
from dfuse_jax.features.dislbp import discriminative, dominant
from dfuse_jax.features.flow import dense_flow
from dfuse_jax.features.hog import hog
from dfuse_jax.features.lpq import lpq
from dfuse_jax.features.magnification import magnify
from dfuse_jax.features.pictures import to_grey
from dfuse_jax.features.tim import interpolate

__all__ = ["clbp_top", "dense_flow", "discriminative", "dominant", "hog", "interpolate", "lpq", "magnify", "to_grey"]

"""Clips for networks on points, with what their point operations give."""

import jax
import jax.numpy as jnp
import numpy as np

from dfuse_jax.systems import pointclouds


def clip_of(model, points) -> dict:
    """Points [B, T, P, 3] as the clip of a network on points: each of the B is a whole video."""
    batch, frames = points.shape[:2]
    joined = np.concatenate([points.reshape(-1, *points.shape[2:]), np.zeros_like(points[0, :1])])
    length = np.full(batch, frames)
    tree = pointclouds.per_frame(model, joined, np.arange(batch) * frames, length)
    return jax.tree.map(lambda x: jnp.asarray(x[:-1].reshape(batch, frames, *x.shape[1:])), tree)


def gradient_norms(gradients) -> dict[str, float]:
    """The L2 norm of every parameter's gradient, by path."""
    leaves = jax.tree_util.tree_leaves_with_path({"params": gradients})
    return {jax.tree_util.keystr(path, simple=True, separator="/"): float(jnp.linalg.norm(x)) for path, x in leaves}

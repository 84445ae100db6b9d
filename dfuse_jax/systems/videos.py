"""What all systems do to see samples: lay videos end to end, and compute what each frame needs a chunk at a time."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from dfuse_jax.samples import Sample
from dfuse_jax.train import Inputs

CHUNK = 64  # frames for which something is computed at once


def lay_out(
    samples: Sequence[Sample],
    length: Int[np.ndarray, " videos"],
    *,
    per_frame: Mapping[str, Any],
    per_video: Mapping[str, Any] | None = None,
    precision: Any = None,
) -> Inputs:
    """Returns videos that lie end to end as inputs.

    Args:
        samples: V videos.
        length: frames that a system sees of each.
        per_frame: see `Inputs`.
        per_video: see `Inputs`; None: nothing.
        precision: of the labels; None: that of JAX.
    """
    return Inputs(
        per_frame=dict(per_frame),
        per_video=dict(per_video or {}),
        first=np.cumsum(length, dtype=np.int32) - length,
        length=length,
        label=np.array([sample.label or 0 for sample in samples], precision or jnp.result_type(float)),
    )


def count_frames(samples: Sequence[Sample]) -> Int[np.ndarray, " videos"]:
    """Returns the number of frames of each video."""
    return np.array([len(sample.landmarks) for sample in samples], np.int32)


def by_chunks(function: Callable[..., Any], rows: np.ndarray, shared: tuple[np.ndarray, ...] = ()) -> Any:
    """Returns function(rows, *shared), a tree of arrays on the host, computed for `CHUNK` rows at a time.

    Args:
        function: compiled; takes rows [CHUNK, ...] and what they share, and returns arrays [CHUNK, ...].
        rows: such as the frames of all videos.
        shared: arrays.
    """
    chunk = np.zeros((CHUNK, *rows.shape[1:]), rows.dtype)
    on_device = jax.device_put(shared)
    shapes = jax.eval_shape(function, chunk, *on_device)
    result = jax.tree.map(lambda x: np.empty((len(rows), *x.shape[1:]), x.dtype), shapes)
    for start in range(0, len(rows), CHUNK):
        part = slice(start, min(start + CHUNK, len(rows)))
        size = part.stop - start
        chunk[:size] = rows[part]
        computed = function(chunk, *on_device)
        for whole, values in zip(jax.tree.leaves(result), jax.tree.leaves(computed), strict=True):
            whole[part] = np.asarray(values)[:size]
    return result

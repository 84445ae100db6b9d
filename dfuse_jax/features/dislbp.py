"""Which patterns are kept: frequent in a video, agreed on in a class (disLBP; Y. Guo et al., Pattern Rec. 2012)."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Num


@jax.jit
def dominant(counts: Num[Array | np.ndarray, "*videos codes"], share: float = 0.9) -> Bool[Array, "*videos codes"]:
    """Tells the most frequent codes, as few as hold a share of all counts; of equal counts the lower code comes first.

    Codes that do not occur are never among them.
    """
    order = jnp.argsort(-counts, axis=-1, stable=True)
    ordered = jnp.take_along_axis(counts, order, axis=-1)
    before = jnp.cumsum(ordered, axis=-1) - ordered
    kept = (before < share * counts.sum(axis=-1, keepdims=True)) & (ordered > 0)
    return jnp.put_along_axis(jnp.zeros(counts.shape, bool), order, kept, axis=-1, inplace=False)


@jax.jit
def discriminative(
    kept: Bool[Array | np.ndarray, "videos *codes"], labels: Num[Array | np.ndarray, " videos"], agree: float = 0.5
) -> Bool[Array, "*codes"]:
    """Tells the codes that are dominant in a share of the videos of one class, or of the other.

    Args:
        kept: of training videos, see `dominant`.
        labels: 0 or 1.
        agree: the share; the original demands all (1), which leaves next to nothing of hundreds of videos.
    """
    of_class = []
    for label in (0, 1):
        chosen = (labels == label).astype(jnp.result_type(float))
        share = jnp.tensordot(chosen, kept.astype(chosen.dtype), 1) / jnp.maximum(chosen.sum(), 1)
        of_class.append((share >= agree - 1e-6) & (chosen.sum() > 0))
    return of_class[0] | of_class[1]

"""Cohn and Schmidt 2004: the timing of the lip corners in the onset, and a linear discriminant.

What is known: spontaneous onsets are smaller, and their amplitude and duration go together more consistently; a linear
discriminant of amplitude and timing was published. The signal, the smoothing and the four values are our reading: the
lip signal of the D-Markers (eq. 5), from which the head's pose is removed, 4253H, and the longest rise as the onset.

J. F. Cohn and K. L. Schmidt, "The timing of facial motion in posed and spontaneous smiles", Int. J. Wavelets,
Multiresolution and Information Processing 2 (2004).
"""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from dfuse_jax import dmarkers
from dfuse_jax.samples import Sample
from dfuse_jax.systems import checks
from dfuse_jax.systems.classical import Classical, map_samples, switches
from dfuse_jax.systems.search import Split

NAME = "cohn04"
SIDES = ("mean", "right")
FEATURES = {"full": (0, 1, 2, 3), "timing": (1, 2, 3)}
LIP = dmarkers.REGIONS.index("lip")


def build(config: Mapping) -> Classical:
    """Returns the system of a config; raises UserError for a field of its section `model` that cannot be."""
    checks.one_of(config, "model.side", SIDES)
    checks.one_of(config, "model.features", tuple(FEATURES))
    side, columns = config["model"]["side"], list(FEATURES[config["model"]["features"]])
    return Classical(
        NAME,
        features=lambda samples: timings(samples, side)[:, columns],
        learn=_discriminant,
        parameters=len(columns) + 1,  # with the bias
        **switches(config),
    )


def timings(samples: Sequence[Sample], side: str = "mean") -> Float[np.ndarray, "videos 4"]:
    """Returns amplitude, duration [s], mean speed [1/s] and peak speed [1/s] of the onset of each video's smile."""
    return map_samples(_PROGRAMS[side], samples)


def timing(lip: Float[Array, " frames"], fps: Float[Array, ""], length: Int[Array, ""]) -> Float[Array, "4"]:
    """Returns amplitude, duration, mean and peak speed of the longest rise of a lip signal; zeros without one."""
    onset = dmarkers.phases(lip, length=length)[0]
    n = onset.sum()
    first = jnp.argmax(onset)
    last = jnp.maximum(first + n - 1, 0)
    amplitude = jnp.where(n > 0, lip[last] - lip[first], 0)
    duration = jnp.maximum(n - 1, 0) / fps
    speed = jnp.where(onset[1:] & onset[:-1], jnp.diff(lip) * fps, 0)
    mean = jnp.where(n > 1, amplitude / jnp.where(n > 1, duration, 1), 0)
    return jnp.stack([amplitude, duration, mean, speed.max(initial=0)])


def _timing_of(side: str):
    def program(points: Array, fps: Array, length: Array, aspect: Array) -> Array:
        curves = dmarkers.signals(points, length=length, aspect=aspect)
        lip = dmarkers.smooth((curves.mean if side == "mean" else curves.right)[LIP], length=length)
        return timing(lip, fps, length)

    return jax.jit(jax.vmap(program))


_PROGRAMS = {side: _timing_of(side) for side in SIDES}


def _discriminant(
    features: np.ndarray, labels: np.ndarray, splits: list[Split], *, balanced: bool
) -> LinearDiscriminantAnalysis:
    del splits  # nothing is chosen
    return LinearDiscriminantAnalysis(priors=[0.5, 0.5] if balanced else None).fit(features, labels)

"""Wu, Liu, Zhang and Gao 2017: texture and geometry of each region, in the region's own phases.

What is known: each region has a texture descriptor of its own; phases are cut by each region's own intensity; texture
and geometric dynamics are joined by a fusion of support vector machines at mid level. Here texture is `wu14`'s with a
dictionary for each histogram, geometry the 75 D-Markers of the region in the same kind of phases (the eyes' closing is
their onset), and the six machines' probabilities are averaged: all of that is our choice.

P. Wu, H. Liu, X. Zhang and Y. Gao, "Spontaneous versus posed smile recognition via region-specific texture descriptor
and geometric facial dynamics", Frontiers of Information Technology & Electronic Engineering 18 (2017).
"""

import functools
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from dfuse_jax import dmarkers
from dfuse_jax.samples import Sample
from dfuse_jax.systems import checks, dibeklioglu15, regions, wu14
from dfuse_jax.systems.classical import Classical, map_samples, switches
from dfuse_jax.systems.dibeklioglu15 import Machines
from dfuse_jax.systems.search import Split
from dfuse_jax.systems.wu14 import Selection

NAME = "wu17"
PHASES = ("region", "mouth")
OWN = tuple(region.signal for region in regions.REGIONS.values())
GEOMETRY = len(dmarkers.REGIONS) * len(dmarkers.PHASES) * len(dmarkers.VALUES)
TRUSTED = (*dibeklioglu15.TRUSTED, *wu14.TRUSTED, "dfuse_jax.systems.wu17.Fusion")


def build(config: Mapping) -> Classical:
    """Returns the system of a config; raises UserError for a field of its section `model` that cannot be."""
    section = config["model"]
    checks.one_of(config, "model.kernel", wu14.KERNELS)
    checks.one_of(config, "model.phases", PHASES)
    checks.within(config, "model", ("share", "agree"), low=0, high=1)
    options = {name: section[name] for name in ("kernel", "share", "agree")}
    return Classical(
        NAME,
        features=functools.partial(describe, phases=section["phases"]),
        learn=functools.partial(learn, **options),
        trusted=TRUSTED,
        **switches(config),
    )


def describe(samples: Sequence[Sample], *, phases: str) -> Float[np.ndarray, "videos features"]:
    """Returns the geometry, then the counts of patterns, in phases of each "region" or of the "mouth"."""
    counts = wu14.patterns(samples, signals=OWN if phases == "region" else wu14.MOUTH)
    geometry = map_samples(_PROGRAMS[phases], samples)
    return np.concatenate([geometry, counts.reshape(len(samples), -1)], axis=1, dtype=np.float32)


def _geometry(points: Array, fps: Array, length: Array, aspect: Array, *, phases: str) -> Float[Array, " features"]:
    """Returns the D-Markers of each region in extended phases of its own signal, or of the lips'."""
    curves = dmarkers.signals(points, length=length, aspect=aspect, smoothing="4253H")
    described = []
    for number, region in enumerate(dmarkers.REGIONS):
        sign = -1.0 if region == "eye" else 1.0
        own = jax.tree.map(lambda curve, n=number, s=sign: s * curve[n], curves)
        lead = own if phases == "region" else jax.tree.map(lambda curve: curve[dmarkers.REGIONS.index("lip")], curves)
        three = jax.tree.map(lambda one, first: jnp.stack([one, one, first]), own, lead)
        described.append(dmarkers.describe(three, fps, length=length, phases="extended")[0])
    return jnp.stack(described).reshape(-1)


_PROGRAMS = {phases: jax.jit(jax.vmap(functools.partial(_geometry, phases=phases))) for phases in PHASES}


class Fusion:
    """Machines for the geometry and the texture of each region, whose probabilities are averaged.

    Args:
        geometry: three machines.
        texture: three machines.
    """

    classes_ = (0, 1)

    def __init__(self, geometry: Machines, texture: list[Selection]):
        self.geometry, self.texture = geometry, texture

    def predict_proba(self, features: Float[np.ndarray, "videos features"]) -> Float[np.ndarray, "videos 2"]:
        """Returns the probabilities of the two classes."""
        geometry, counts = split(features)
        of_texture = [
            machine.predict_proba(part) for machine, part in zip(self.texture, by_region(counts), strict=True)
        ]
        regions_count = len(dmarkers.REGIONS)
        return (regions_count * self.geometry.predict_proba(geometry) + sum(of_texture)) / (2 * regions_count)


def learn(
    features: Float[np.ndarray, "videos features"],
    labels: Int[np.ndarray, " videos"],
    splits: Sequence[Split],
    *,
    kernel: str,
    share: float,
    agree: float,
    balanced: bool = False,
) -> Fusion:
    """Fits the six machines; `kernel`, `share` and `agree` are of those for texture, see `wu14.learn`."""
    geometry, counts = split(features)
    texture = [
        wu14.learn(part, labels, splits, kernel=kernel, share=share, agree=agree, balanced=balanced)
        for part in by_region(counts)
    ]
    groups = len(dmarkers.REGIONS)
    machines = dibeklioglu15.learn(
        geometry, labels, splits, groups=groups, rule="sum", kernel="linear", balanced=balanced
    )
    return Fusion(machines, texture)


def split(
    features: Float[np.ndarray, "videos features"],
) -> tuple[Float[np.ndarray, "videos 225"], Float[np.ndarray, "videos phases blocks planes 2 256"]]:
    """Returns geometry and counts."""
    shape = len(features), *wu14.HISTOGRAMS, wu14.CODES
    return features[:, :GEOMETRY], features[:, GEOMETRY:].reshape(shape)


def by_region(counts: np.ndarray) -> list[np.ndarray]:
    """Returns the counts of the blocks that each signal of `dmarkers.REGIONS` moves."""
    owner = np.repeat(OWN, wu14.BLOCKS)
    return [counts[:, :, owner == number] for number in range(len(dmarkers.REGIONS))]

"""Mandal, Lee and Ouarti 2016: descriptors of pictures over time, normalised, in principal components.

What is known: features of a convolutional network, local phase quantisation, dense flow and histograms of oriented
gradients; Eulerian magnification; three normalisations of features; a support vector machine. Histograms of gradients
did best, magnification brought nothing, normalisation helped. Which normalisations there were is not known: those here
are our choice, as are all settings. The network's weights are not at hand: `describe` takes any function of pictures
instead.

B. Mandal, D. Lee and N. Ouarti, "Distinguishing posed and spontaneous smiles by facial dynamics", ACCV
workshops (2016).
"""

import functools
from collections.abc import Callable, Mapping, Sequence

import jax
import numpy as np
from jaxtyping import Float

from dfuse_jax.features import hog, interpolate, lpq, magnify, to_grey
from dfuse_jax.samples import Sample
from dfuse_jax.systems import checks, mandal17, reduced
from dfuse_jax.systems.classical import Classical, switches

NAME = "mandal16"
DESCRIPTORS = ("hog", "lpq", "flow")
NORMALISATIONS = ("none", "first", "zscore", "l2")
KERNELS = {"linear": ("linear",), "rbf": ("rbf",), "either": ("linear", "rbf")}
SAMPLES = 20  # pictures of a video


def build(config: Mapping) -> Classical:
    """Returns the system of a config; raises UserError for a field of its section `model` that cannot be."""
    section = config["model"]
    checks.one_of(config, "model.descriptor", DESCRIPTORS)
    checks.one_of(config, "model.normalisation", NORMALISATIONS)
    checks.one_of(config, "model.kernel", tuple(KERNELS))
    checks.within(config, "model", ("magnification",), low=0)
    options = {name: section[name] for name in ("descriptor", "normalisation", "magnification")}
    return Classical(
        NAME,
        features=functools.partial(describe, **options),
        learn=functools.partial(reduced.fit, kernels=KERNELS[section["kernel"]], scaled=False),
        trusted=reduced.TRUSTED,
        **switches(config),
    )


def describe(
    samples: Sequence[Sample],
    *,
    descriptor: str | Callable[[Float[np.ndarray, "20 128 128"]], Float[np.ndarray, "20 features"]],
    normalisation: str,
    magnification: float,
) -> Float[np.ndarray, "videos features"]:
    """Returns the descriptors of 20 pictures of each video, one after another.

    Args:
        samples: V videos with chips.
        descriptor: one of DESCRIPTORS, or a function of 20 grey pictures, such as a network's embedding.
        normalisation: "first" takes the first picture's descriptor away, "zscore" standardises each value over time,
            "l2" gives each descriptor a length of 1, "none" does nothing.
        magnification: of motion, see `features.magnify`; 0 does nothing.
    """
    videos = [_sequence(sample, descriptor, magnification) for sample in samples]
    return np.stack([normalise(video, normalisation).reshape(-1) for video in videos]).astype(np.float32)


def normalise(sequence: Float[np.ndarray, "frames features"], how: str) -> Float[np.ndarray, "frames features"]:
    """Returns a sequence of descriptors normalised, see `describe`; where there is nothing to divide by, 0."""
    if how == "first":
        return sequence - sequence[0]
    if how == "zscore":
        deviation = sequence.std(axis=0)
        return (sequence - sequence.mean(axis=0)) / np.where(deviation > 1e-9, deviation, np.inf)
    if how == "l2":
        length = np.linalg.norm(sequence, axis=1, keepdims=True)
        return sequence / np.where(length > 0, length, np.inf)
    return sequence


def _sequence(sample: Sample, descriptor: str | Callable, magnification: float) -> Float[np.ndarray, "20 features"]:
    if descriptor == "flow":
        flow = mandal17.flow_of(sample, rate=mandal17.RATE)
        return np.asarray(interpolate(flow.reshape(len(flow), -1), SAMPLES))
    grey = to_grey(sample.chips)
    if magnification:
        grey = magnify(grey, sample.fps, alpha=magnification)
    pictures = np.asarray(interpolate(grey, SAMPLES))
    if descriptor == "hog":
        return hog(pictures)
    if isinstance(descriptor, str):
        return np.asarray(_lpq(pictures)).reshape(SAMPLES, -1)
    return np.asarray(descriptor(pictures))


_lpq = jax.jit(jax.vmap(lpq))

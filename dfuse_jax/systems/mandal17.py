"""Mandal and Ouarti 2017: tracked points for the large motion, dense optical flow for the small one.

What is known: tracked facial markers and dense optical flow at eyes and lips, and a support vector machine. The flow is
scikit-image's, of chips at about 10 frames a second; the boxes are `regions`'; what is read of flow and points, 20
values over time of each, and the principal components are our choice.

B. Mandal and N. Ouarti, "Spontaneous versus posed smiles: can we tell the difference?", CVIP (2017).
"""

import functools
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dfuse_jax import dmarkers
from dfuse_jax.features import dense_flow, interpolate, to_grey
from dfuse_jax.samples import Sample
from dfuse_jax.systems import checks, reduced, regions
from dfuse_jax.systems.classical import Classical, map_samples, switches

NAME = "mandal17"
RATE = 10.0  # frames a second between which flow is found
SAMPLES = 20  # values over time
BINS = 8  # directions of flow
BOXES = ("right eye", "left eye", "mouth")
OUTER = dmarkers.LANDMARKS.index(33), dmarkers.LANDMARKS.index(263)  # corners of the eyes
SIGNALS = [dmarkers.REGIONS.index("eye"), dmarkers.REGIONS.index("lip")]


def build(config: Mapping) -> Classical:
    """Returns the system of a config; raises UserError for a field of its section `model` that cannot be."""
    checks.within(config, "model", ("rate",), low=1, high=100)
    return Classical(
        NAME,
        features=functools.partial(describe, rate=config["model"]["rate"]),
        learn=functools.partial(reduced.fit, kernels=("rbf",), scaled=True),
        trusted=reduced.TRUSTED,
        **switches(config),
    )


def describe(samples: Sequence[Sample], *, rate: float = RATE) -> Float[np.ndarray, "videos features"]:
    """Returns what is read of the flow, the signals and the points of each video."""
    flows = [np.asarray(interpolate(flow_of(sample, rate=rate), SAMPLES)).reshape(-1) for sample in samples]
    return np.concatenate([np.stack(flows), map_samples(_LANDMARKS, samples)], axis=1).astype(np.float32)


def flow_of(sample: Sample, *, rate: float) -> Float[np.ndarray, "steps boxes values"]:
    """Returns of the flow in each box its mean length, mean x and y, and the directions' histogram, by length.

    Of a video of one frame, zeros.
    """
    stride = max(1, round(sample.fps / rate))
    grey = np.asarray(to_grey(sample.pick_chips(np.arange(0, len(sample.landmarks), stride))), np.float32)
    if len(grey) < 2:
        return np.zeros((1, len(BOXES), 3 + BINS), np.float32)
    flow = dense_flow(grey)
    boxes = regions.boxes(regions.on_chips(sample)[0])
    return np.stack([_summary(_inside(flow, boxes[name])) for name in BOXES], axis=1)


def _inside(
    flow: Float[np.ndarray, "steps 2 height width"], box: tuple[float, float, float, float]
) -> Float[np.ndarray, "steps 2 pixels"]:
    left, top, right, bottom = np.clip(np.round(box), 0, flow.shape[-1] - 1).astype(int)
    part = flow[..., top : max(bottom, top + 1), left : max(right, left + 1)]
    return part.reshape(*part.shape[:2], -1)


def _summary(flow: Float[np.ndarray, "steps 2 pixels"]) -> Float[np.ndarray, "steps values"]:
    length = np.hypot(flow[:, 0], flow[:, 1])
    direction = np.floor(np.arctan2(flow[:, 1], flow[:, 0]) / (2 * np.pi) * BINS).astype(int) % BINS
    histogram = np.stack([(length * (direction == number)).mean(axis=1) for number in range(BINS)], axis=1)
    means = np.stack([length.mean(axis=1), *flow.mean(axis=2).T], axis=1)
    return np.concatenate([means, histogram], axis=1)


def _landmarks(points: Array, fps: Array, length: Array, aspect: Array) -> Float[Array, " values"]:
    """Returns the signals of eyes and lips at SAMPLES times, and mean, greatest and deviation of each point's speed.

    Speeds are in distances of the outer corners of the eyes a second.
    """
    curves = dmarkers.signals(points, length=length, aspect=aspect, smoothing="4253H").mean
    places = jnp.linspace(0, length - 1, SAMPLES)
    sampled = jnp.stack([jnp.interp(places, jnp.arange(curves.shape[1]), curves[number]) for number in SIGNALS])
    flat = points[..., :2] * jnp.stack([jnp.ones_like(aspect), aspect])
    unit = jnp.linalg.norm(flat[0, OUTER[0]] - flat[0, OUTER[1]])
    steps = jnp.linalg.norm(jnp.diff(flat, axis=0), axis=-1) * fps / jnp.where(unit > 0, unit, 1)
    inside = (jnp.arange(len(steps)) < length - 1)[:, None]
    count = jnp.maximum(length - 1, 1)
    mean = jnp.where(inside, steps, 0).sum(axis=0) / count
    deviation = jnp.sqrt(jnp.where(inside, (steps - mean) ** 2, 0).sum(axis=0) / count)
    return jnp.concatenate([sampled.reshape(-1), mean, jnp.where(inside, steps, 0).max(axis=0), deviation])


_LANDMARKS = jax.jit(jax.vmap(_landmarks))

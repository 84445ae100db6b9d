"""What point-cloud networks see of samples: scaled landmarks, and point operations found once per frame."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from dfuse_jax.constants import NUM_LANDMARKS
from dfuse_jax.samples import Sample
from dfuse_jax.systems import coordinates, neural, videos
from dfuse_jax.train import Inputs, Network, end_to_end


class PointNetwork(Protocol):
    """A network whose clips bring along what its point operations give.

    Attributes:
        points: how many landmarks of a frame it uses, evenly spaced in the mesh's numbering.
    """

    points: int

    def clip(self) -> Any:
        """Returns the shapes of a batch of one clip."""
        ...

    @property
    def offsets(self) -> tuple[int, ...]:
        """How many frames before or after its own a frame's anchors have neighbours."""
        ...

    def find_anchors(self, points: Float[Array, "points 3"]) -> Int[Array, " anchors"]:
        """Returns a frame's anchors."""
        ...

    def find_neighbours(self, points: Float[Array, "offsets points 3"], anchors: Int[Array, "offsets anchors"]) -> Any:
        """Returns the neighbours of a frame's anchors, of points and anchors of the frames at `offsets` from it."""
        ...


def build(config: Mapping, *, name: str, model: PointNetwork, network: Network) -> neural.Neural:
    """Returns the system of a network on points.

    Args:
        config: a checked one.
        name: of the system.
        model: what finds anchors and neighbours.
        network: the model as training sees it.
    """
    inputs = functools.partial(prepare, model, clip_coordinates=coordinates.choice(config))
    return neural.build(config, name=name, network=network, inputs=inputs, example=neural.example_of_clip(model.clip()))


def prepare(model: PointNetwork, samples: Sequence[Sample], clip_coordinates: str = coordinates.DEFAULT) -> Inputs:
    """Returns the landmarks that the model uses, their anchors and the anchors' neighbours."""
    inputs = prepare_points(model.points, samples, clip_coordinates)
    tree = per_frame(model, inputs.per_frame["points"], np.asarray(inputs.first), np.asarray(inputs.length))
    return inputs._replace(per_frame=tree)


def prepare_points(points: int, samples: Sequence[Sample], clip_coordinates: str = coordinates.DEFAULT) -> Inputs:
    """Returns landmarks in these coordinates, so many of a frame, evenly spaced in the mesh's numbering."""
    length = videos.count_frames(samples)
    chosen = np.linspace(0, NUM_LANDMARKS - 1, points).round().astype(int)
    picked = (coordinates.read(sample, clip_coordinates)[:, chosen] for sample in samples)
    landmarks = end_to_end(picked, frames=int(length.sum()), dtype=jnp.result_type(float))
    return videos.lay_out(samples, length, per_frame={"points": landmarks})


def per_frame(
    model: PointNetwork,
    points: Float[np.ndarray, "frames points 3"],
    first: Int[np.ndarray, " videos"],
    length: Int[np.ndarray, " videos"],
) -> dict:
    """Returns what the model sees of each frame: "points", "anchors" and "neighbours".

    Args:
        model: the network.
        points: of all videos end to end; the last frame is no video's.
        first: the frame at which each video begins.
        length: its number of frames.
    """
    anchors = videos.by_chunks(_anchors(model), points)
    window = shifted(first, length, model.offsets)
    neighbours = videos.by_chunks(_neighbours(model), window, shared=(points, anchors))
    return {"points": points, "anchors": anchors, "neighbours": neighbours}


def shifted(
    first: Int[np.ndarray, " videos"], length: Int[np.ndarray, " videos"], offsets: Sequence[int]
) -> Int[np.ndarray, "frames offsets"]:
    """Returns, for each frame, the frames so far before or after it; outside its video the last frame of all.

    That one is zeros, with which `Inputs.per_frame` ends; a clip goes on with it beyond its video.
    """
    last = int(length.sum())
    index = np.full((last + 1, len(offsets)), last, np.int32)
    for start, frames in zip(first, length, strict=True):
        within = np.arange(frames)[:, None] + np.array(offsets)[None]
        index[start : start + frames] = np.where((within >= 0) & (within < frames), start + within, last)
    return index


@functools.lru_cache(maxsize=8)
def _anchors(model: Any) -> Callable:
    return jax.jit(jax.vmap(model.find_anchors))


@functools.lru_cache(maxsize=8)
def _neighbours(model: Any) -> Callable:
    def find(window: Array, points: Array, anchors: Array) -> Any:
        return model.find_neighbours(points[window], anchors[window])

    return jax.jit(jax.vmap(find, in_axes=(0, None, None)))

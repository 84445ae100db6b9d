"""PSTNet (H. Fan et al., ICLR 2021): point spatio-temporal convolutions over clouds that move, here the landmarks.

Variant "authors" is the published class for MSR-Action3D (repository hehefan/Point-Spatio-Temporal-Convolution) with
its quirks; "ours" differs where its docstrings say so. No code was published for smiles: radius and classes are ours.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from dfuse_jax.constants import NUM_LANDMARKS
from dfuse_jax.models.cloud import gather
from dfuse_jax.models.layers import Kernel, TorchDense, matmul, precise_matmul, torch_uniform
from dfuse_jax.models.norms import BatchNorm, Statistics, batch_statistics
from dfuse_jax.models.points import VARIANTS, ball_query, clip_shapes, counts, farthest_points


class Reach(NamedTuple):
    """What a convolution covers, and how much coarser its output is.

    Attributes:
        radius: of the balls, in multiples of the network's.
        frames: how many consecutive frames of its input it covers, an odd number.
        space: divides the number of points.
        time: divides the number of frames.
    """

    radius: int
    frames: int
    space: int
    time: int


REACHES = (
    Reach(radius=1, frames=1, space=2, time=1),
    Reach(radius=2, frames=3, space=2, time=2),
    Reach(radius=2, frames=3, space=1, time=1),
    Reach(radius=4, frames=3, space=2, time=2),
    Reach(radius=4, frames=3, space=1, time=1),
    Reach(radius=4, frames=1, space=2, time=1),
)
"""Of the six convolutions, as published; their padding in time keeps the frames 0, 2, 4, ... where time is halved."""

AUTHORS = {
    "variant": "authors",
    "radius": 0.5,
    "widths": ((45, 64), (96, 128), (192, 256), (284, 512), (768, 1024), (1536, 2048)),
}
"""Keywords of the published network; its 284 stands where its sibling for NTU has 384."""


class PSTNet(nn.Module):
    """Maps clips of points to a score for each class; `PSTNet(**AUTHORS)` is the published network.

    Attributes:
        variant: "authors", or "ours", which differs in the order of points (see `points`) and in that a batch norm
            takes its statistics over all frames of a clip at once, as batch norms do.
        points: how many points a frame has.
        neighbours: how many neighbours of an anchor are summed over.
        radius: of the first convolution's balls, in the points' unit. 0.05 is our choice for scaled landmarks: the
            published 0.5 holds the whole face.
        widths: (inner, outer) width of each convolution.
        classes: how many classes are scored.
    """

    variant: str = "ours"
    points: int = NUM_LANDMARKS
    neighbours: int = 9
    radius: float = 0.05
    widths: tuple[tuple[int, int], ...] = ((45, 64), (96, 128), (192, 256), (384, 512), (768, 1024), (1536, 2048))
    classes: int = 2

    def __post_init__(self):
        if self.variant not in VARIANTS:
            raise ValueError(f"unknown variant {self.variant!r}; known: {', '.join(VARIANTS)}.")
        if len(self.widths) != len(REACHES):
            raise ValueError(f"widths has {len(self.widths)} pairs; expected {len(REACHES)}, one a convolution.")
        super().__post_init__()

    @property
    def offsets(self) -> tuple[int, ...]:
        """How many frames before or after its own a frame's points have neighbours; 0 is in the middle."""
        return tuple(sorted({offset for level in self._levels() for offset in level.offsets}))

    @nn.nowrap
    def clip(self) -> dict[str, Any]:
        """Returns the shapes of a batch of one clip."""
        return clip_shapes(self, frames=16)

    @nn.nowrap
    def find_anchors(self, points: Float[Array, "points 3"]) -> Int[Array, " anchors"]:
        """Returns a frame's farthest points; the first ones of them are the anchors of the coarser levels."""
        return farthest_points(points, self._levels()[0].anchors, variant=self.variant)

    @nn.nowrap
    def find_neighbours(
        self, points: Float[Array, "offsets points 3"], anchors: Int[Array, "offsets anchors"]
    ) -> dict[str, Int[Array, "anchors frames neighbours"]]:
        """Returns the neighbours of a frame's anchors, for each convolution.

        Args:
            points: of the frames at `offsets` from the frame.
            anchors: what `find_anchors` gives for each of them.
        """
        frames = dict(zip(self.offsets, range(len(points)), strict=True))
        ordered = gather(points, anchors)
        neighbours = {}
        for level in self._levels():
            centres = ordered[frames[0], : level.anchors]
            clouds = points if level.number == 0 else ordered[:, : level.points]
            neighbours[level.name] = jnp.stack(
                [
                    ball_query(
                        centres,
                        clouds[frames[offset]],
                        radius=level.radius,
                        count=self.neighbours,
                        variant=self.variant,
                    )
                    for offset in level.offsets
                ],
                axis=1,
            )
        return neighbours

    @nn.compact
    def __call__(
        self, clip: Mapping, *, train: bool = False, dropout: float | Float[Array, ""] = 0.0
    ) -> Float[Array, "batch classes"]:
        """Returns the classes' scores before a softmax.

        Args:
            clip: "points" [B, T, P, 3], "anchors" [B, T, A] and "neighbours", the tree of [B, T, ...], as
                `find_anchors` and `find_neighbours` give them; T is 4 at least.
            train: statistics of the batch (needs a mutable "batch_stats").
            dropout: without effect, as the network has none.
        """
        # Differences of coordinates alone matter; near the origin they lose fewer digits.
        points = clip["points"] - jnp.mean(clip["points"], axis=(1, 2), keepdims=True)
        ordered = jax.vmap(gather)(points, clip["anchors"])
        features, cloud, spacing = points[..., :0], points, 1  # there are no features yet
        for level, (inner, outer) in zip(self._levels(), self.widths, strict=True):
            convolution = PSTConvolution(
                inner=inner,
                outer=outer,
                time=level.time,
                norm_per_frame=self.variant == "authors",
                name=level.name,
            )
            spacing *= level.time
            frames = cloud.shape[1] // level.time
            anchors = ordered[:, ::spacing, : level.anchors][:, :frames]
            neighbours = clip["neighbours"][level.name][:, ::spacing][:, :frames]
            features = convolution(features, cloud, anchors, neighbours, train)
            cloud = anchors
            if level.number < len(REACHES) - 1:
                features = nn.relu(features)
        pooled = jnp.max(jnp.mean(features, axis=2), axis=1)
        return TorchDense(self.classes, name="head")(pooled)

    @nn.nowrap
    def _levels(self) -> list["Level"]:
        levels, points, spacing = [], self.points, 1
        for number, reach in enumerate(REACHES):
            half = reach.frames // 2
            anchors = points // reach.space
            levels.append(
                Level(
                    number=number,
                    name=f"convolution_{number}",
                    points=points,
                    anchors=anchors,
                    radius=self.radius * reach.radius,
                    offsets=tuple(spacing * step for step in range(-half, half + 1)),
                    time=reach.time,
                )
            )
            points, spacing = anchors, spacing * reach.time
        return levels


class Level(NamedTuple):
    """A convolution of a network of some size.

    Attributes:
        number: of the convolution, from 0.
        name: of its module.
        points: in a frame of its input.
        anchors: in a frame of its output.
        radius: of its balls.
        offsets: the frames that it covers, counted in frames of the clip.
        time: divides the number of frames.
    """

    number: int
    name: str
    points: int
    anchors: int
    radius: float
    offsets: tuple[int, ...]
    time: int


class PSTConvolution(nn.Module):
    """Sums products of the neighbours' features and displacements, frame by frame; then one linear map of all frames.

    For each anchor i and frame: sum over the neighbours j of W_d (p_j - p_i) * W_f f_j, without W_f f_j where the
    features' width is 0, as there are none yet. As W_d and W_f commute with the choice of neighbours, they are applied
    once per point; and the sum is that of W_d p_j * W_f f_j, less W_d p_i times that of W_f f_j: two products with the
    matrix of `counts`.

    Attributes:
        inner: width of the products.
        outer: width of the output.
        time: divides the number of frames.
        norm_per_frame: see `FrameNorm`.
    """

    inner: int
    outer: int
    time: int
    norm_per_frame: bool

    @nn.compact
    def __call__(
        self,
        features: Float[Array, "batch frames points width"],
        cloud: Float[Array, "batch frames points 3"],
        anchors: Float[Array, "batch frames_out anchors 3"],
        neighbours: Int[Array, "batch frames_out anchors covered neighbours"],
        train: bool,
    ) -> Float[Array, "batch frames_out anchors outer"]:
        """Returns the anchors' features; frames before the first and after the last one have features of 0."""
        count, covered = anchors.shape[1], neighbours.shape[3]
        inputs = features.shape[-1]
        initialise = torch_uniform(inputs + 3)
        displacement = Kernel(self.inner, initialise, name="displacement")(3).astype(cloud.dtype)
        chosen = counts(neighbours, cloud.shape[2], cloud.dtype)
        source = self.time * np.arange(count)[:, None] + np.arange(covered)[None]

        def total(values: Float[Array, "batch frames points width"]) -> Float[Array, "batch frames_out anchors ..."]:
            """Sums over the neighbours, for each frame that is covered."""
            pad = covered // 2
            padded = jnp.pad(values, ((0, 0), (pad, pad), (0, 0), (0, 0)))[:, source]
            return jnp.einsum("btaon,btonc->btaoc", chosen, padded, precision=lax.Precision.HIGHEST)

        if inputs == 0:
            y = precise_matmul(total(cloud) - neighbours.shape[-1] * anchors[:, :, :, None], displacement)
        else:
            mapped = matmul(features, Kernel(self.inner, initialise, name="feature")(inputs).astype(features.dtype))
            sums = total(jnp.concatenate([mapped * precise_matmul(cloud, displacement), mapped], axis=-1))
            centre = precise_matmul(anchors, displacement)[:, :, :, None]
            y = sums[..., : self.inner] - centre * sums[..., self.inner :]
        y = y.reshape(*y.shape[:3], -1)
        y = nn.relu(FrameNorm(per_frame=self.norm_per_frame, name="norm")(y, train=train))
        return TorchDense(self.outer, use_bias=False, name="out")(y)


class FrameNorm(BatchNorm):
    """Batch norm of the frames of clips [B, T, A, C].

    Attributes:
        per_frame: whether frame t is normalised by the statistics of the batch's frames t alone, and the running
            statistics take their share of every frame in turn, as published.
    """

    per_frame: bool = False

    def __call__(self, x: Float[Array, "batch frames anchors width"], *, train: bool) -> Array:
        """Normalises every feature."""
        if not (train and self.per_frame):
            return super().__call__(x, train=train)
        state = self.state(x.shape[-1])
        batch = batch_statistics(x, axes=(0, 2))
        scale, shift = jax.vmap(state.scale_and_shift)(batch)
        rows = x.shape[0] * x.shape[2]
        for frame in range(x.shape[1]):
            unbiased = batch.variance[frame] * rows / (rows - 1)  # PyTorch's running variance is
            state = state.after(Statistics(batch.mean[frame], unbiased))
        self.store(state)
        return x * scale[None, :, None] + shift[None, :, None]

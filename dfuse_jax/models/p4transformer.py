"""P4Transformer (H. Fan et al., CVPR 2021): tubes of points in space and time as tokens of a transformer.

Variant "authors" is the published model for MSR-Action3D (repository hehefan/P4Transformer); "ours" differs in the
point operations alone (see `points`). No code was published for smiles: radius, sizes and classes are our choice.
"""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from dfuse_jax.constants import NUM_LANDMARKS
from dfuse_jax.models.cloud import gather, map_frames
from dfuse_jax.models.layers import Kernel, TorchDense, expand, layer_norm, precise_matmul, torch_uniform
from dfuse_jax.models.points import VARIANTS, ball_query, clip_shapes, farthest_points
from dfuse_jax.models.transformer import Block

AUTHORS = {
    "variant": "authors",
    "radius": 0.7,
    "space": 32,
    "width": 1024,
    "depth": 5,
    "heads": 8,
    "head_width": 128,
    "mlp": 2048,
}
"""Keywords of the published network."""


class P4Transformer(nn.Module):
    """Maps clips of points to a score for each class; `P4Transformer(**AUTHORS)` is the published network.

    Attributes:
        variant: "ours" or "authors", see `points`.
        points: how many points a frame has.
        neighbours: how many neighbours of an anchor a tube has in each of its frames.
        radius: of a tube, in the points' unit. 0.1 is our choice for scaled landmarks: the published 0.7 holds the
            whole face.
        space: divides the number of points; the result is the number of anchors in a frame.
        width: of a token.
        depth: transformer blocks.
        heads: attention heads.
        head_width: width of a head.
        mlp: hidden width of the MLPs.
        classes: how many classes are scored.
        frames_at_once: frames whose tubes are computed at once; None: all. It changes memory and speed alone.
    """

    variant: str = "ours"
    points: int = NUM_LANDMARKS
    neighbours: int = 32
    radius: float = 0.1
    space: int = 8
    width: int = 256
    depth: int = 5
    heads: int = 4
    head_width: int = 64
    mlp: int = 512
    classes: int = 2
    frames_at_once: int | None = None

    def __post_init__(self):
        if self.variant not in VARIANTS:
            raise ValueError(f"unknown variant {self.variant!r}; known: {', '.join(VARIANTS)}.")
        super().__post_init__()

    @property
    def offsets(self) -> tuple[int, ...]:
        """How many frames before or after its own a frame's anchors have neighbours."""
        return (-1, 0, 1)

    @nn.nowrap
    def clip(self) -> dict[str, Any]:
        """Returns the shapes of a batch of one clip."""
        return clip_shapes(self, frames=16)

    @nn.nowrap
    def find_anchors(self, points: Float[Array, "points 3"]) -> Int[Array, " anchors"]:
        """Returns a frame's farthest points."""
        return farthest_points(points, self.points // self.space, variant=self.variant)

    @nn.nowrap
    def find_neighbours(
        self, points: Float[Array, "3 points 3"], anchors: Int[Array, "3 anchors"]
    ) -> Int[Array, "anchors 3 neighbours"]:
        """Returns the neighbours of a frame's anchors in the frame before, in itself and in the next one.

        Args:
            points: of these three frames.
            anchors: what `find_anchors` gives for each of them.
        """
        centres = points[1][anchors[1]]
        query = jax.vmap(
            lambda cloud: ball_query(centres, cloud, radius=self.radius, count=self.neighbours, variant=self.variant)
        )
        return jnp.swapaxes(query(points), 0, 1)

    @nn.compact
    def __call__(
        self, clip: Mapping, *, train: bool = False, dropout: float | Float[Array, ""] = 0.0
    ) -> Float[Array, "batch classes"]:
        """Returns the classes' scores before a softmax.

        Args:
            clip: "points" [B, T, P, 3], and "anchors" [B, T, A] and "neighbours" [B, T, A, 3, K], as `find_anchors`
                and `find_neighbours` give them; T is 2 at least.
            train: whether to drop (needs the rng "dropout").
            dropout: rate in the transformer; the published one is 0.
        """
        count = clip["points"].shape[1] // 2  # every second frame, each with the one before and the next
        neighbours = clip["neighbours"][:, ::2][:, :count]
        # The first frame is its own predecessor.
        neighbours = neighbours.at[:, 0, :, 0].set(neighbours[:, 0, :, 1])
        anchors = jax.vmap(gather)(clip["points"], clip["anchors"])[:, ::2][:, :count]
        x = self.embed_tubes(clip["points"], anchors, neighbours)
        number = jnp.broadcast_to(jnp.arange(1.0, count + 1, dtype=x.dtype)[None, :, None, None], (*x.shape[:3], 1))
        x = x + TorchDense(self.width, name="position")(jnp.concatenate([anchors, number], axis=-1))
        x = x.reshape(x.shape[0], -1, self.width)
        for block in range(self.depth):
            x = Block(
                heads=self.heads,
                head_width=self.head_width,
                mlp=self.mlp,
                dropout=dropout,
                coded=False,
                activated=True,
                dense=TorchDense,
                name=f"block_{block}",
            )(x, train)
        x = layer_norm(name="head_norm")(jnp.max(x, axis=1))
        x = nn.gelu(TorchDense(self.mlp, name="head_in")(x), approximate=False)
        return TorchDense(self.classes, name="head_out")(x)

    @nn.compact
    def embed_tubes(
        self,
        points: Float[Array, "batch frames points 3"],
        anchors: Float[Array, "batch frames_out anchors 3"],
        neighbours: Int[Array, "batch frames_out anchors 3 neighbours"],
    ) -> Float[Array, "batch frames_out anchors width"]:
        """Returns the largest of W (p_j - p_i, t) over the neighbours j of anchor i in the frames t = -1, 0, 1.

        W p_j is computed once per point, and W p_i taken off last, as it is the same for all neighbours.
        """
        batch, count = anchors.shape[:2]
        kernel = Kernel(self.width, torch_uniform(4), name="tube")(4).astype(points.dtype)
        # Differences of coordinates alone matter; near the origin they lose fewer digits.
        centre = jnp.mean(points, axis=(1, 2), keepdims=True)
        mapped = precise_matmul(points - centre, kernel[:3])

        def largest(mapped: Float[Array, "frames points width"], neighbours: Int[Array, "frames anchors neighbours"]):
            return jnp.max(gather(mapped, neighbours), axis=-2)

        tubes = []
        for number, offset in enumerate(self.offsets):
            source = np.maximum(2 * np.arange(count) + offset, 0)
            rows = mapped[:, source].reshape(batch * count, *mapped.shape[2:])
            index = neighbours[..., number, :].reshape(batch * count, anchors.shape[2], -1)
            largest_rows = map_frames(largest, rows, index, frames_at_once=self.frames_at_once)
            tubes.append(largest_rows + expand(offset * kernel[3], 3))
        tube = jnp.max(jnp.stack(tubes), axis=0).reshape(batch, count, -1, self.width)
        return tube - precise_matmul(anchors - centre, kernel[:3])

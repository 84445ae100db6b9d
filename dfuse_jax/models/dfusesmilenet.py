"""D-FuseSmileNet: landmarks through the encoder, fused with D-Markers, to the logit of "spontaneous" (Fig. 2)."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax import Array

from dfuse_jax.models.curvenet import CurveNet, nearest
from dfuse_jax.models.fusion import FUSIONS
from dfuse_jax.models.layers import batch_norm, dense, layer_norm, linear
from dfuse_jax.models.transformer import SpaceTime

VARIANTS = ("paper", "authors")


class DFuseSmileNet(nn.Module):
    """A clip and its video's D-Markers to a logit; the defaults are the paper's sizes (5.15 million parameters).

    Attributes:
        fusion: a name of `FUSIONS`.
        variant: "paper", or "authors" for what the published code does where the two differ.
        points: how many landmarks of a frame are used, evenly spaced in the mesh's numbering; None: all of them.
        neighbours: how many neighbours of a point are looked at.
        entry: width of the point encoder's first layer.
        blocks: (features, bottleneck) of its CIC blocks; the last block's features are the model's width.
        curves: curves walked in a block, at most the number of points.
        steps: points in a curve.
        tokens: tokens that a frame's points are mapped to.
        depth: space-time transformer blocks.
        time_depth: transformer blocks along the frames.
        heads: attention heads.
        head_width: width of a head.
        mlp: hidden width of the transformer's MLPs.
        dropout: rate everywhere.
    """

    fusion: str = "hadamard"
    variant: str = "paper"
    points: int | None = None
    neighbours: int = 20
    entry: int = 32
    blocks: tuple[tuple[int, int], ...] = ((32, 2), (64, 4), (128, 2), (256, 4))
    curves: int = 100
    steps: int = 5
    tokens: int = 32
    depth: int = 6
    time_depth: int = 3
    heads: int = 4
    head_width: int = 64
    mlp: int = 512
    dropout: float = 0.1

    def __post_init__(self):
        if self.fusion not in FUSIONS:
            raise ValueError(f"unknown fusion {self.fusion!r}; known: {', '.join(FUSIONS)}.")
        if self.variant not in VARIANTS:
            raise ValueError(f"unknown variant {self.variant!r}; known: {', '.join(VARIANTS)}.")
        super().__post_init__()

    @nn.nowrap
    def select(self, landmarks: Array) -> Array:
        """The landmarks that the model uses: [..., N, 3] -> [..., points, 3]."""
        total = landmarks.shape[-2]
        if self.points is None or self.points == total:
            return landmarks
        return landmarks[..., np.linspace(0, total - 1, self.points).round().astype(int), :]

    @nn.nowrap
    def find_neighbours(self, landmarks: Array) -> Array:
        """Each used point's nearest ones, itself first: [..., N, 3] -> [..., points, neighbours + 1] indices.

        They depend on nothing that is learnt: find them once per frame and hand them to `__call__`.
        """
        return nearest(self.select(landmarks), self.neighbours + 1)

    @nn.compact
    def encode(self, landmarks: Array, *, train: bool = False, neighbours: Array | None = None) -> Array:
        """The encoder: [B, T, 478, 3] -> embeddings of the frames [B, T, width]; their mean is H (eq. 1)."""
        clip = landmarks.shape[:2]
        if neighbours is None:
            neighbours = self.find_neighbours(landmarks)
        points = self.select(landmarks)
        points, neighbours = (a.reshape(-1, *a.shape[2:]) for a in (points, neighbours))
        encoder = CurveNet(
            self.entry, self.blocks, self.curves, self.steps, self.dropout, self.variant, name="point_encoder"
        )
        x = jnp.swapaxes(encoder(points, neighbours, train), -1, -2)  # [frames, width, points]
        x = batch_norm(train, name="tokens_norm")(linear(self.tokens, name="tokens")(x))  # a norm per token
        x = jnp.swapaxes(x, -1, -2).reshape(*clip, self.tokens, -1)
        sizes = (self.depth, self.time_depth, self.heads, self.head_width, self.mlp, self.dropout)
        return SpaceTime(*sizes, name="transformer")(x, train)

    @nn.compact
    def __call__(
        self, landmarks: Array, dmarkers: Array, *, train: bool = False, neighbours: Array | None = None
    ) -> Array:
        """Logits of "spontaneous" (eqs. 1-3).

        Args:
            landmarks: [B, T, 478, 3], min-max scaled as in spec section 1 (`dfuse_jax.data.samples.scale`).
            dmarkers: [B, 225], standardised.
            train: batch statistics and dropout (needs the rng "dropout" and a mutable "batch_stats").
            neighbours: what `find_neighbours(landmarks)` gives, if it is known already.

        Returns:
            [B]; their sigmoid is the probability that the smile is spontaneous.
        """
        embedding = jnp.mean(self.encode(landmarks, train=train, neighbours=neighbours), axis=1)
        x = FUSIONS[self.fusion](embedding.shape[-1], self.dropout, name="fusion")(embedding, dmarkers, train)
        return dense(1, name="head")(layer_norm(name="head_norm")(x))[..., 0]

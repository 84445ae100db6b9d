"""D-FuseSmileNet: landmarks through the encoder, fused with D-Markers, to the logit of "spontaneous" (Fig. 2)."""

import functools
import warnings

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike

from dfuse_jax.models import fusion as fusions
from dfuse_jax.models.cloud import nearest
from dfuse_jax.models.curvenet.encoder import CurveNet
from dfuse_jax.models.layers import Kernel, dense, layer_norm
from dfuse_jax.models.norms import BatchNorm
from dfuse_jax.models.transformer import SpaceTime

VARIANTS = ("paper", "authors")
NUM_LANDMARKS = 478
# Bytes of the edges computed at once: what a CPU's caches hold; where memory is fast, large steps, but not all of it.
CACHE, MEMORY = 5 << 20, 1 << 30


@functools.cache  # once: Flax builds a module anew whenever it runs
def _warn_blind(fusion: str) -> None:
    warnings.warn(
        f"the fusion {fusion!r} cannot see the encoder: it attends to the D-Markers as one token, and a softmax over "
        "one key is always 1. Its answers come from the D-Markers alone, whatever the landmarks are, and the encoder "
        "is not trained. It is here to compare with the paper; 'token_attention' attends to 9 tokens instead.",
        stacklevel=5,
    )


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
        at_once: frames between whose points is computed at once (see `on`); None: all. It changes memory and speed
            alone.
        dtype: precision to compute in, such as "bfloat16"; None: that of the inputs, or JAX's default if that is finer.
            Parameters, batch statistics, neighbours and the last LayerNorm and Linear have the latter in any case.
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
    at_once: int | None = None
    dtype: DTypeLike | None = None

    def __post_init__(self):
        if self.variant not in VARIANTS:
            raise ValueError(f"unknown variant {self.variant!r}; known: {', '.join(VARIANTS)}.")
        if not fusions.get(self.fusion).sees_encoder:
            _warn_blind(self.fusion)
        super().__post_init__()

    @property
    def width(self) -> int:
        """Length of an embedding."""
        return self.blocks[-1][0]

    @nn.nowrap
    def on(self, platform: str, replicas: int = 1) -> "DFuseSmileNet":
        """The same model as a kind of device, such as "cpu", best computes it, with so many replicas side by side."""
        into = [self.entry, *(features for features, _ in self.blocks)]
        widths = [self.entry, *(width // by for width, (_, by) in zip(into, self.blocks, strict=False))]
        of_frame = 4 * (self.points or NUM_LANDMARKS) * self.neighbours * max(widths)  # bytes of its edges
        room = CACHE if platform == "cpu" else MEMORY // replicas
        return self.clone(at_once=max(1, room // of_frame))

    @nn.nowrap
    def in_full(self, x: Array) -> Array:
        """The input in its own precision, or JAX's default if that is finer."""
        return x.astype(jnp.promote_types(x.dtype, jnp.result_type(float)))

    @nn.nowrap
    def in_dtype(self, x: Array) -> Array:
        """The input in the precision to compute in."""
        return x.astype(self.dtype) if self.dtype else self.in_full(x)

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
        points = self.in_full(self.select(landmarks))
        points, neighbours = (a.reshape(-1, *a.shape[2:]) for a in (points, neighbours))
        sizes = (self.entry, self.blocks, self.curves, self.steps, self.dropout, self.variant, self.at_once, self.dtype)
        encoder = CurveNet(*sizes, name="point_encoder")
        x = encoder(points, neighbours, train)
        kernel = Kernel(self.tokens, name="tokens")(x.shape[1]).astype(x.dtype)
        x = jnp.einsum("nt,mnc->mtc", kernel, x)  # along the points
        x = BatchNorm(train, name="tokens_norm")(x, axis=1).reshape(*clip, self.tokens, -1)  # a norm per token
        sizes = (self.depth, self.time_depth, self.heads, self.head_width, self.mlp, self.dropout)
        return SpaceTime(*sizes, name="transformer")(x, train)

    @nn.compact
    def classify(self, frames: Array, dmarkers: Array, *, train: bool = False) -> Array:
        """Fusion and head (eqs. 2-3 and 8-25): frames' embeddings [B, T, width], D-Markers [B, 225] -> logits [B]."""
        fuse = fusions.get(self.fusion).module(self.width, self.dropout, self.variant, name="fusion")
        x = self.in_full(fuse(self.in_dtype(frames), self.in_dtype(dmarkers), train))
        return dense(1, name="head")(layer_norm(name="head_norm")(x))[..., 0]

    def __call__(
        self, landmarks: Array, dmarkers: Array, *, train: bool = False, neighbours: Array | None = None
    ) -> Array:
        """Logits of "spontaneous" (eqs. 1-3).

        Args:
            landmarks: [B, T, 478, 3], min-max scaled with the published constants (`dfuse_jax.samples.scale`).
            dmarkers: [B, 225], standardised.
            train: batch statistics and dropout (needs the rng "dropout" and a mutable "batch_stats").
            neighbours: what `find_neighbours(landmarks)` gives, if it is known already.

        Returns:
            [B]; their sigmoid is the probability that the smile is spontaneous.
        """
        return self.classify(self.encode(landmarks, train=train, neighbours=neighbours), dmarkers, train=train)

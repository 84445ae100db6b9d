"""D-FuseSmileNet: landmarks through the encoder, fused with D-Markers, to the logit of "spontaneous" (Fig. 2)."""

import functools
import warnings
from typing import TypeVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int

from dfuse_jax.models import fusion as fusions
from dfuse_jax.models.cloud import Incoming, list_incoming, nearest
from dfuse_jax.models.curvenet.encoder import CurveNet
from dfuse_jax.models.kernels import KERNELS
from dfuse_jax.models.layers import Kernel, dense, layer_norm
from dfuse_jax.models.norms import BatchNorm
from dfuse_jax.models.transformer import SpaceTime

VARIANTS = ("paper", "authors")
AnyArray = TypeVar("AnyArray", jax.Array, np.ndarray)


class DFuseSmileNet(nn.Module):
    """Maps a clip and its video's D-Markers to a logit; the defaults are the paper's sizes (5.15 million parameters).

    Attributes:
        fusion: a name of `FUSIONS`.
        variant: "paper", or "authors" for what the published code does where the two differ.
        points: how many landmarks of a frame are used, evenly spaced in the mesh's numbering; None: all of them.
        neighbours: how many neighbours of a point are used.
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
        dropout: rate everywhere, in [0, 1). A Python number is compiled into the program, in which 0 leaves nothing to
            compute. A JAX array may be traced, so that one program serves replicas of several rates.
        frames_at_once: frames between whose points is computed at once, see `sizes.frames_at_once`; None: all. It
            changes memory and speed alone.
        kernels: "plain", or "fused" for kernels that keep on a GPU's chip what else goes through its memory, see
            `models.kernels`. They change memory and speed alone. "auto" stands for a choice that is still to be made;
            until then it is plain.
        dtype: precision to compute in, such as "bfloat16"; None: that of the inputs, or JAX's default if that is finer.
            Parameters, batch statistics, neighbours and the last LayerNorm and Linear have the latter in any case.

    Raises:
        ValueError: unknown fusion, variant or kernels, or a dropout rate (a Python number) outside [0, 1).
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
    dropout: float | Float[Array, ""] = 0.1
    frames_at_once: int | None = None
    kernels: str = "plain"
    dtype: DTypeLike | None = None

    def __post_init__(self):
        if self.variant not in VARIANTS:
            raise ValueError(f"unknown variant {self.variant!r}; known: {', '.join(VARIANTS)}.")
        if self.kernels not in (*KERNELS, "auto"):
            raise ValueError(f"unknown kernels {self.kernels!r}; known: {', '.join(KERNELS)}, auto.")
        if not isinstance(self.dropout, jax.Array) and not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; expected a rate from 0 to below 1.")
        if not fusions.get(self.fusion).sees_encoder:
            _warn_that_the_encoder_has_no_effect(self.fusion)
        super().__post_init__()

    @property
    def width(self) -> int:
        """Length of an embedding."""
        return self.blocks[-1][0]

    @nn.nowrap
    def select(self, landmarks: Float[AnyArray, "*batch landmarks 3"]) -> Float[AnyArray, "*batch points 3"]:
        """Returns the landmarks that the model uses; the input itself if it holds just those already."""
        total = landmarks.shape[-2]
        if self.points is None or self.points == total:
            return landmarks
        return landmarks[..., np.linspace(0, total - 1, self.points).round().astype(int), :]

    @nn.nowrap
    def find_neighbours(
        self, landmarks: Float[Array, "*batch landmarks 3"]
    ) -> Int[Array, "*batch points neighbours+1"]:
        """Returns, for every point that the model uses, the nearest of these points, itself first.

        They depend on nothing that is learnt: find them once per frame and hand them to `__call__`.
        """
        return nearest(self.select(landmarks), self.neighbours + 1)

    @nn.nowrap
    def list_incoming(self, neighbours: Int[Array, "frames points neighbours+1"]) -> Incoming:
        """Returns the edges to the neighbours listed the other way round, which fused kernels need.

        They depend on nothing that is learnt: list them once per frame and hand them to `__call__`.
        """
        return list_incoming(neighbours[..., :-1])

    def _mix(
        self, kernel: Float[Array, "points tokens"], x: Float[Array, "frames points width"]
    ) -> Float[Array, "frames tokens width"]:
        """Maps along the points."""
        if self.kernels == "fused":
            from dfuse_jax.models.kernels.tokens import mix  # imports Pallas, which the plain version does not need

            return mix(kernel, x)
        return jnp.einsum("nt,mnc->mtc", kernel, x)

    @nn.compact
    def encode(
        self,
        landmarks: Float[Array, "batch frames landmarks 3"],
        *,
        train: bool = False,
        neighbours: Int[Array, "batch frames points neighbours+1"] | None = None,
        incoming: Incoming | None = None,
    ) -> Float[Array, "batch frames width"]:
        """Returns the embeddings of the frames; their mean is H (eq. 1)."""
        batch, frames = landmarks.shape[:2]
        if neighbours is None:
            neighbours = self.find_neighbours(landmarks)
        points = at_least_default(self.select(landmarks))
        encoder = CurveNet(
            entry=self.entry,
            blocks=self.blocks,
            curves=self.curves,
            steps=self.steps,
            dropout=self.dropout,
            variant=self.variant,
            frames_at_once=self.frames_at_once,
            kernels=self.kernels,
            dtype=self.dtype,
            name="point_encoder",
        )

        def flat(x):
            return x.reshape(batch * frames, *x.shape[2:])

        x = encoder(flat(points), flat(neighbours), train, jax.tree.map(flat, incoming))
        kernel = Kernel(self.tokens, name="tokens")(x.shape[1]).astype(x.dtype)
        x = self._mix(kernel, x)
        x = BatchNorm(name="tokens_norm")(x, axis=1, train=train)  # a norm per token
        transformer = SpaceTime(
            depth=self.depth,
            time_depth=self.time_depth,
            heads=self.heads,
            head_width=self.head_width,
            mlp=self.mlp,
            dropout=self.dropout,
            kernels=self.kernels,
            name="transformer",
        )
        return transformer(x.reshape(batch, frames, *x.shape[1:]), train)

    @nn.compact
    def classify(
        self,
        frames: Float[Array, "batch frames width"],
        dmarkers: Float[Array, "batch 225"] | None = None,
        *,
        train: bool = False,
    ) -> Float[Array, " batch"]:
        """Returns the logits from the frames' embeddings: fusion and head (eqs. 2-3 and 8-25)."""
        if dmarkers is None:
            if self.fusion != "none":
                raise ValueError(f"the fusion {self.fusion!r} needs D-Markers: pass dmarkers.")
            dmarkers = jnp.zeros((len(frames), 0))
        fuse = fusions.get(self.fusion).module(
            width=self.width, dropout=self.dropout, variant=self.variant, name="fusion"
        )
        fused = fuse(self._compute_cast(frames), self._compute_cast(dmarkers), train)
        return dense(1, name="head")(layer_norm(name="head_norm")(at_least_default(fused)))[..., 0]

    def __call__(
        self,
        landmarks: Float[Array, "batch frames landmarks 3"],
        dmarkers: Float[Array, "batch 225"] | None = None,
        *,
        train: bool = False,
        neighbours: Int[Array, "batch frames points neighbours+1"] | None = None,
        incoming: Incoming | None = None,
    ) -> Float[Array, " batch"]:
        """Returns the logits of "spontaneous" (eqs. 1-3); their sigmoid is the probability.

        Args:
            landmarks: min-max scaled with the published constants (`dfuse_jax.samples.scale`): all 478 of a frame, or
                those that `select` gives.
            dmarkers: standardised; the fusion "none", which is MeshSmileNet, needs none.
            train: batch statistics and dropout (needs the rng "dropout" and a mutable "batch_stats").
            neighbours: what `find_neighbours(landmarks)` gives, if it is known already.
            incoming: what `list_incoming` gives for all clips' frames, if it is known already.
        """
        encoded = self.encode(landmarks, train=train, neighbours=neighbours, incoming=incoming)
        return self.classify(encoded, dmarkers, train=train)

    @nn.nowrap
    def _compute_cast(self, x: Array) -> Array:
        return x.astype(self.dtype) if self.dtype else at_least_default(x)


def at_least_default(x: Array) -> Array:
    """Casts to JAX's default precision, or keeps the array's own if that is finer."""
    return x.astype(jnp.promote_types(x.dtype, jnp.result_type(float)))


@functools.cache  # once per fusion: Flax constructs a module anew whenever it runs
def _warn_that_the_encoder_has_no_effect(fusion: str) -> None:
    warnings.warn(
        f"the fusion {fusion!r} cannot see the encoder: it attends to the D-Markers as one token, and a softmax over "
        "one key is always 1. Its predictions depend on the D-Markers alone, whatever the landmarks are, and the "
        "encoder is not trained. It is kept for comparison with the paper; 'token_attention' attends to 9 tokens.",
        stacklevel=5,  # past __post_init__, the dataclass's and Flax's __init__, to the line that made the model
    )

"""Vanilla vision transformers (A. Dosovitskiy et al., ICLR 2021) on landmarks or on pictures of a face.

How the row of that name in the paper's Table 5 was fed is not known: both networks, and all their sizes, are our
choice. The landmarks' one is also MeshSmileNet without its point encoder.
"""

import math
from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dfuse_jax.constants import NUM_LANDMARKS
from dfuse_jax.models.layers import dense, expand, layer_norm
from dfuse_jax.models.transformer import Block

_small_normal = nn.initializers.normal(0.02)


class ViT(nn.Module):
    """Maps tokens to a logit, through a class token; a subclass says what the tokens are.

    Attributes:
        frames: in a clip.
        width: of a token.
        depth: transformer blocks.
        heads: attention heads.
        head_width: width of a head.
        mlp: hidden width of the MLPs.
    """

    frames: int = 16
    width: int = 256
    depth: int = 6
    heads: int = 4
    head_width: int = 64
    mlp: int = 512

    @nn.nowrap
    def clip(self) -> dict[str, jax.ShapeDtypeStruct]:
        """Returns the shapes of a batch of one clip."""
        raise NotImplementedError

    @nn.nowrap
    def tokens(self, clip: Mapping) -> Float[Array, "batch tokens values"]:
        """Returns the values of a clip's tokens."""
        raise NotImplementedError

    @nn.compact
    def __call__(
        self, clip: Mapping, *, train: bool = False, dropout: float | Float[Array, ""] = 0.1
    ) -> Float[Array, " batch"]:
        """Returns the logits.

        Args:
            clip: what `tokens` takes.
            train: whether to drop (needs the rng "dropout") and to normalise by the batch (a mutable "batch_stats").
            dropout: rate in the blocks.
        """
        # What all tokens have in common, such as the mean face, is far larger than what tells clips apart. Layer norms
        # would keep it; under it a network does not even learn its training videos.
        norm = nn.BatchNorm(use_running_average=not train, momentum=0.9, use_bias=False, use_scale=False)
        x = dense(self.width, name="embedding")(norm(self.tokens(clip)))
        token = self.param("class_token", _small_normal, (self.width,), float).astype(x.dtype)
        x = jnp.concatenate([jnp.broadcast_to(expand(token, 3), (len(x), 1, self.width)), x], axis=1)
        x = x + self.param("positions", _small_normal, x.shape[1:], float).astype(x.dtype)[None]
        for number in range(self.depth):
            x = Block(
                heads=self.heads,
                head_width=self.head_width,
                mlp=self.mlp,
                dropout=dropout,
                coded=False,
                name=f"block_{number}",
            )(x, train)
        return dense(1, name="head")(layer_norm(name="head_norm")(x[:, 0]))[:, 0]


class LandmarkViT(ViT):
    """A token for each frame, of all its coordinates; 3,530,753 parameters.

    Attributes:
        points: how many points a frame has; the other attributes are those of `ViT`.
    """

    points: int = NUM_LANDMARKS

    @nn.nowrap
    def clip(self) -> dict[str, jax.ShapeDtypeStruct]:
        """Returns the shape of "points"."""
        return {"points": jax.ShapeDtypeStruct((1, self.frames, self.points, 3), jnp.result_type(float))}

    @nn.nowrap
    def tokens(self, clip: Mapping) -> Float[Array, "batch tokens values"]:
        """Returns the coordinates of "points" [B, T, P, 3], frame by frame."""
        return clip["points"].reshape(*clip["points"].shape[:2], -1)


class FrameViT(ViT):
    """A token for each patch of each picture; 3,393,025 parameters.

    Attributes:
        side: of the square pictures, in pixels.
        patch: side of a patch; the other attributes are those of `ViT`.
    """

    side: int = 48
    patch: int = 16

    @nn.nowrap
    def clip(self) -> dict[str, jax.ShapeDtypeStruct]:
        """Returns the shape of "pixels"."""
        return {"pixels": jax.ShapeDtypeStruct((1, self.frames, self.side, self.side, 3), jnp.uint8)}

    @nn.nowrap
    def tokens(self, clip: Mapping) -> Float[Array, "batch tokens values"]:
        """Returns the pixels, RGB from 0 to 255, of "pixels" [B, T, side, side, 3], scaled to 0 to 1, by patches."""
        pixels = clip["pixels"]
        scaled = pixels.astype(jnp.promote_types(pixels.dtype, jnp.result_type(float))) / 255
        across = self.side // self.patch
        x = scaled.reshape(*pixels.shape[:2], across, self.patch, across, self.patch, 3)
        tokens = pixels.shape[1] * across**2
        return jnp.swapaxes(x, 3, 4).reshape(len(x), tokens, math.prod((self.patch, self.patch, 3)))

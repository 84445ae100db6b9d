"""DeepMarkerNet: MeshSmileNet, whose embedding a second head maps to D-Markers, which it learns beside the class.

Source: the repository junayed-hasan/spontaneous-smile-recognition. At test the second head is of no consequence.
"""

from typing import NamedTuple

import flax.linen as nn
from jaxtyping import Array, Float, Int

from dfuse_jax.models.cloud import Incoming
from dfuse_jax.models.dfusesmilenet import DFuseSmileNet, at_least_default
from dfuse_jax.models.fusion.base import pooled
from dfuse_jax.models.layers import dense, layer_norm

PUBLISHED_TARGETS = 216


class Predictions(NamedTuple):
    """What the two heads give.

    Attributes:
        logits: of "spontaneous".
        dmarkers: the regressed D-Markers.
    """

    logits: Float[Array, " batch"]
    dmarkers: Float[Array, "batch targets"]


class DeepMarkerNet(DFuseSmileNet):
    """Maps a clip to a logit and to D-Markers; 4,952,361 parameters with the published 216 targets.

    Attributes:
        fusion: "none", as no D-Markers come in.
        targets: how many D-Markers are regressed.
        variant: as all others, see `DFuseSmileNet`.
    """

    fusion: str = "none"
    targets: int = PUBLISHED_TARGETS

    @nn.compact
    def regress(self, frames: Float[Array, "batch frames width"]) -> Float[Array, "batch targets"]:
        """Returns the D-Markers from the frames' embeddings."""
        embedding = at_least_default(pooled(frames))
        return dense(self.targets, name="regressor")(layer_norm(name="regressor_norm")(embedding))

    def __call__(
        self,
        landmarks: Float[Array, "batch frames landmarks 3"],
        dmarkers: Float[Array, "batch 225"] | None = None,
        *,
        train: bool = False,
        neighbours: Int[Array, "batch frames points neighbours+1"] | None = None,
        incoming: Incoming | None = None,
    ) -> Predictions:
        """Returns the logits of "spontaneous" and the D-Markers; for the arguments see `DFuseSmileNet`."""
        del dmarkers  # none come in
        frames = self.encode(landmarks, train=train, neighbours=neighbours, incoming=incoming)
        return Predictions(self.classify(frames, train=train), self.regress(frames))

"""What training may assume of a network, and nothing else of a model."""

from collections.abc import Mapping
from typing import Any, Protocol

import jax.numpy as jnp
import optax
from jaxtyping import Array, Float


class Outputs(Protocol):
    """A network's outputs are a pytree with at least the logits of "spontaneous", [B]."""

    @property
    def logits(self) -> Float[Array, " batch"]:
        """Their sigmoid is the probability that the smile is spontaneous."""
        ...


class Network(Protocol):
    """A network maps clips and their videos' features to outputs; a Flax module with such a call and `loss` is one.

    A `clip` is the tree `Inputs.per_frame` with leaves [B, T, ...]; a `video` is the tree `Inputs.per_video`,
    standardised, with leaves [B, ...].
    """

    def init(self, key: Array, clip: Any, video: Any) -> Mapping:
        """Returns the variables before the first step: "params" and other collections, such as "batch_stats"."""
        ...

    def apply(
        self, variables: dict, clip: Any, video: Any, *, train: bool, dropout: Any, rngs: dict | None, mutable: Any
    ) -> Any:
        """Returns the outputs; with `mutable`, which names collections, also those collections after the call.

        Args:
            variables: as `init` gives them.
            clip: of each video one clip.
            video: features of the videos.
            train: whether it is a training step.
            dropout: the rate at which to drop in a training step, a traced number.
            rngs: the random key "dropout" in a training step.
            mutable: names of the collections that may change; False: none.
        """
        ...

    def loss(
        self, outputs: Any, label: Float[Array, " batch"], video: Any, params: Any, *, weight: Any = 1.0
    ) -> Float[Array, ""]:
        """Returns the loss of a batch, which may include a second head's error or a penalty on the parameters.

        `weight` is what each video's class counts, 1 on average over the training videos.
        """
        ...

    def suited_to(self, platform: str, replicas: int) -> "Network":
        """Returns the network as a kind of device ("cpu", "gpu") best computes it, with so many replicas on a device.

        It computes the same numbers up to rounding. A network that has no such choice returns itself.
        """
        ...


def cross_entropy(outputs: Outputs, label: Float[Array, " batch"], weight: Any = 1.0) -> Float[Array, ""]:
    """Returns the mean binary cross-entropy of the logits (paper eq. 4), each video's times its weight."""
    return jnp.mean(weight * optax.sigmoid_binary_cross_entropy(outputs.logits, label))

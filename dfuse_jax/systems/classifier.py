"""A network that sees a clip alone, and gives a logit or a score for each of two classes, as training sees it."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from jaxtyping import Array, Float

from dfuse_jax.train import cross_entropy


class Model(Protocol):
    """What `Classifier` assumes of a Flax module: `module(clip, train=..., dropout=...)`."""

    def init(self, rngs: Any, clip: Any) -> Any:
        """Returns the variables before the first step."""
        ...

    def apply(self, variables: Any, clip: Any, *, train: bool, dropout: Any, rngs: dict | None, mutable: Any) -> Any:
        """Returns logits [B], or scores [B, 2] of "posed" and "spontaneous"; with `mutable` also collections."""
        ...


class Outputs(NamedTuple):
    """What a network gives.

    Attributes:
        logits: of "spontaneous".
    """

    logits: Float[Array, " batch"]


@dataclasses.dataclass(frozen=True)
class Classifier:
    """A network on clips, trained by the cross-entropy.

    A softmax over two scores is a sigmoid of their difference, and the cross-entropy of two classes that of this logit.

    Attributes:
        model: what maps clips to logits, or to scores of two classes.
    """

    model: Model

    def init(self, key: Array, clip: Any, video: Any) -> Mapping:
        """Returns the model's variables."""
        return self.model.init(key, clip)

    def apply(
        self,
        variables: Mapping,
        clip: Any,
        video: Any,
        *,
        train: bool = False,
        dropout: Float[Array, ""] | float = 0.0,
        rngs: dict | None = None,
        mutable: Any = False,
    ) -> Any:
        """Returns the logits; with `mutable`, also the collections of these names."""
        result = self.model.apply(variables, clip, train=train, dropout=dropout, rngs=rngs, mutable=mutable)
        if mutable is False:
            return Outputs(to_logits(result))
        scores, collections = result
        return Outputs(to_logits(scores)), collections

    def loss(
        self, outputs: Outputs, label: Float[Array, " batch"], video: Any, params: Any, *, weight: Any = 1.0
    ) -> Float[Array, ""]:
        """Returns the cross-entropy."""
        return cross_entropy(outputs, label, weight)

    def suited_to(self, platform: str, replicas: int) -> "Classifier":
        """Returns the network itself: it is computed alike everywhere."""
        return self


def to_logits(scores: Array) -> Float[Array, " batch"]:
    """Returns logits [B] as they are, and of the scores of two classes [B, 2] the second less the first."""
    return scores if scores.ndim == 1 else scores[:, 1] - scores[:, 0]

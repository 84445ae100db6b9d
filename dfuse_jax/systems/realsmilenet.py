"""RealSmileNet as a system: every fifth picture of a whole video through a ConvLSTM.

Published are the rate at which pictures are sampled, the loss (cross-entropy and a thousandth of the sum of all
parameters' norms, which are not squared), Adam at 1e-3 and batches of 16. The number of epochs, and that pictures are
aligned by smoothed eyes, are our choice, and so is one stride for all videos: the published code has another one for
each of MMI's classes. A clip is as long as the recipe says: a random window of longer videos, all of shorter ones.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from dfuse_jax.models import RealSmileNet
from dfuse_jax.models.realsmilenet import SIDE, VARIANTS
from dfuse_jax.systems import checks, neural, pictures
from dfuse_jax.systems.classifier import Classifier, Outputs

NAME = "realsmilenet"


@dataclasses.dataclass(frozen=True)
class Network(Classifier):
    """`RealSmileNet` as training sees it.

    Attributes:
        penalty: of the sum of all parameters' norms.
    """

    penalty: float = 1e-3

    def loss(
        self, outputs: Outputs, label: Float[Array, " batch"], video: Any, params: Any, *, weight: Any = 1.0
    ) -> Float[Array, ""]:
        """Returns the cross-entropy and the penalty."""
        norms = [_norm(leaf) for leaf in jax.tree.leaves(params)]
        return super().loss(outputs, label, video, params, weight=weight) + self.penalty * jnp.sum(jnp.stack(norms))


def build(config: Mapping) -> neural.Neural:
    """Returns the system of a config.

    Raises:
        UserError: a field of its sections `model`, `loss` or `train` cannot be.
    """
    neural.check(config)
    checks.one_of(config, "model.variant", VARIANTS)
    checks.within(config, "model", ("channel_dropout",), low=0, high=0.99)
    checks.within(config, "model", ("stride",), low=1)
    checks.within(config, "loss", ("penalty",), low=0)
    section = config["model"]
    model = RealSmileNet(variant=section["variant"], channel_dropout=section["channel_dropout"])
    return neural.build(
        config,
        name=NAME,
        network=Network(model, penalty=config["loss"]["penalty"]),
        inputs=functools.partial(pictures.prepare_sampled, side=SIDE, stride=section["stride"]),
        example=neural.example_of_clip(model.clip()),
    )


def _norm(x: Array) -> Float[Array, ""]:
    """Returns the norm, whose gradient is 0 at 0."""
    square = jnp.sum(x**2)
    return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1)), 0)

"""DeepMarkerNet as a system: MeshSmileNet that learns D-Markers beside the class, and needs none at test.

Loss "authors" is the published code's: the targets are 216 values of the very clip, as they are, and a sigmoid is
around their error. Raw targets reach 70, where its slope is next to 0, so the encoder hardly learns from them. Loss
"paper" is what the paper's text says, with our choice where it is silent: the 225 D-Markers of the whole video,
standardised by the training videos, and their error times alpha.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dfuse_jax import dmarkers
from dfuse_jax.constants import NUM_DMARKERS
from dfuse_jax.models import DeepMarkerNet, sizes
from dfuse_jax.models.deepmarkernet import PUBLISHED_TARGETS
from dfuse_jax.samples import Sample, scale
from dfuse_jax.systems import checks, coordinates, dfusesmilenet, neural
from dfuse_jax.train import Inputs, cross_entropy, end_to_end

NAME = "deepmarkernet"
LOSSES = ("authors", "paper")
CLASS_SHARE = 0.2  # of the published loss


class Outputs(NamedTuple):
    """What the network gives, and what its second head should give.

    Attributes:
        logits: of "spontaneous".
        dmarkers: the regressed D-Markers.
        targets: their targets.
    """

    logits: Float[Array, " batch"]
    dmarkers: Float[Array, "batch targets"]
    targets: Float[Array, "batch targets"]


@dataclasses.dataclass(frozen=True)
class Network:
    """`DeepMarkerNet` as training sees it.

    Clips are {"points", "neighbours"} and, for the loss "authors", "markers": Table 1's points, of which the targets
    are computed. For the loss "paper" videos are {"dmarkers"}.

    Attributes:
        model: the network.
        loss_name: "authors" or "paper".
        alpha: weight of the error of the D-Markers in the loss "paper".
    """

    model: DeepMarkerNet
    loss_name: str
    alpha: float

    def init(self, key: Array, clip: Mapping, video: Mapping) -> Mapping:
        """Returns the model's variables."""
        model = self.model.clone(kernels="plain")  # quicker to compile, and the variables are the same
        return model.init(key, clip["points"], neighbours=clip["neighbours"])

    def apply(
        self,
        variables: Mapping,
        clip: Mapping,
        video: Mapping,
        *,
        train: bool = False,
        dropout: Float[Array, ""] | float = 0.0,
        rngs: dict | None = None,
        mutable: Any = False,
    ) -> Any:
        """Returns the outputs; with `mutable`, also the collections of these names."""
        targets = self.targets(clip, video)
        result: Any = self.model.clone(dropout=dropout).apply(
            variables,
            clip["points"],
            train=train,
            neighbours=clip["neighbours"],
            incoming=clip.get("incoming"),
            rngs=rngs,
            mutable=mutable,
        )
        if mutable is False:
            return Outputs(result.logits, result.dmarkers, targets)
        predictions, collections = result
        return Outputs(predictions.logits, predictions.dmarkers, targets), collections

    def targets(self, clip: Mapping, video: Mapping) -> Float[Array, "batch targets"]:
        """Returns what the second head learns."""
        if self.loss_name == "paper":
            return video["dmarkers"]
        return jax.vmap(dmarkers.deepmarkernet_targets)(clip["markers"])

    def loss(
        self, outputs: Outputs, label: Float[Array, " batch"], video: Mapping, params: Mapping, *, weight: Any = 1.0
    ) -> Float[Array, ""]:
        """Returns 0.2 BCE + 0.8 sigmoid(MSE) for "authors", BCE + alpha MSE for "paper"."""
        error = jnp.mean((outputs.dmarkers - outputs.targets) ** 2)
        if self.loss_name == "paper":
            return cross_entropy(outputs, label, weight) + self.alpha * error
        return CLASS_SHARE * cross_entropy(outputs, label, weight) + (1 - CLASS_SHARE) * jax.nn.sigmoid(error)

    def suited_to(self, platform: str, replicas: int) -> "Network":
        """Returns the network with as many frames at once as the device holds best."""
        frames_at_once = sizes.frames_at_once(self.model, platform, replicas=replicas)
        return dataclasses.replace(self, model=self.model.clone(frames_at_once=frames_at_once))

    def with_kernels(self, kernels: str) -> "Network":
        """Returns the network with "plain" or "fused" kernels."""
        return dataclasses.replace(self, model=self.model.clone(kernels=kernels))


def build(config: Mapping) -> neural.Neural:
    """Returns the system of a config.

    Raises:
        UserError: a field of its sections `model`, `loss`, `dmarkers` or `train` cannot be.
    """
    _check(config)
    loss = config["loss"]
    whole_video = loss["name"] == "paper"
    targets = NUM_DMARKERS if whole_video else PUBLISHED_TARGETS
    model = dfusesmilenet.build_model(config["model"], DeepMarkerNet, targets=targets)
    options = config["dmarkers"]
    example = dfusesmilenet.example(model)
    if whole_video:
        inputs = functools.partial(
            dfusesmilenet.prepare,
            model,
            definition=options["definition"],
            smoothing=options["smoothing"] or None,
            clip_coordinates=coordinates.choice(config),
        )
        example = example._replace(per_video={"dmarkers": dfusesmilenet.example_dmarkers()})
    else:
        inputs = functools.partial(_prepare, model, clip_coordinates=coordinates.choice(config))
        points: Any = jax.ShapeDtypeStruct((2, len(dmarkers.LANDMARKS), 3), jnp.result_type(float))
        example = example._replace(per_frame={**example.per_frame, "markers": points})
    network = Network(model, loss["name"], loss["alpha"])
    return neural.build(config, name=NAME, network=network, inputs=inputs, example=example)


def _prepare(model: DeepMarkerNet, samples: Sequence[Sample], *, clip_coordinates: str) -> Inputs:
    """Returns the landmarks that the model uses, each point's neighbours, and Table 1's points."""
    inputs = dfusesmilenet.prepare_landmarks(model, samples, clip_coordinates)
    eleven = (scale(sample.landmarks[:, np.array(dmarkers.LANDMARKS)]) for sample in samples)
    markers = end_to_end(eleven, frames=int(inputs.length.sum()), dtype=inputs.label.dtype)
    return inputs._replace(per_frame={**inputs.per_frame, "markers": markers})


def _check(config: Mapping) -> None:
    dfusesmilenet.check_encoder(config)
    checks.dmarkers(config)
    checks.one_of(config, "loss.name", LOSSES)
    checks.within(config, "loss", ("alpha",), low=0)

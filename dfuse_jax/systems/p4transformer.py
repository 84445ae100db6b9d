"""P4Transformer as a system: clips of landmarks as moving point clouds.

The published code is for other data; what is not in it is our choice: clips as D-FuseSmileNet's, its schedule stretched
to more epochs, no random scaling of the clips.
"""

import dataclasses
from collections.abc import Mapping

from dfuse_jax.constants import NUM_LANDMARKS
from dfuse_jax.models import P4Transformer, sizes
from dfuse_jax.models.points import VARIANTS
from dfuse_jax.systems import checks, neural, pointclouds
from dfuse_jax.systems.classifier import Classifier

NAME = "p4transformer"


@dataclasses.dataclass(frozen=True)
class Network(Classifier):
    """`P4Transformer` as training sees it.

    Attributes:
        model: the network.
    """

    model: P4Transformer

    def suited_to(self, platform: str, replicas: int) -> "Network":
        """Returns the network with as many frames' tubes at once as the device holds best."""
        model = self.model
        frame = 4 * (model.points // model.space) * model.neighbours * model.width  # bytes of its tubes
        return Network(model.clone(frames_at_once=sizes.frames_that_fit(frame, platform, replicas=replicas)))


def build(config: Mapping) -> neural.Neural:
    """Returns the system of a config.

    Raises:
        UserError: a field of its sections `model` or `train` cannot be.
    """
    _check(config)
    model = P4Transformer(**{name: value for name, value in config["model"].items() if name != "dropout"})
    return pointclouds.build(config, name=NAME, model=model, network=Network(model))


def _check(config: Mapping) -> None:
    neural.check(config)
    checks.within(config, "train", ("clip_frames",), low=2)  # time is halved
    checks.one_of(config, "model.variant", VARIANTS)
    counts = ("neighbours", "space", "width", "heads", "head_width", "mlp")
    checks.within(config, "model", counts, low=1)
    checks.within(config, "model", ("points",), low=config["model"]["space"], high=NUM_LANDMARKS)
    checks.within(config, "model", ("depth", "radius"), low=0)

"""PSTNet as a system: clips of landmarks as moving point clouds.

The published code is for other data; what is not in it is our choice: clips as D-FuseSmileNet's, its schedule stretched
to more epochs, no random scaling of the clips.
"""

from collections.abc import Mapping
from typing import Any

from dfuse_jax.constants import NUM_LANDMARKS
from dfuse_jax.models import PSTNet
from dfuse_jax.models.points import VARIANTS
from dfuse_jax.models.pstnet import REACHES
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.systems import checks, neural, pointclouds
from dfuse_jax.systems.classifier import Classifier

NAME = "pstnet"


def build(config: Mapping) -> neural.Neural:
    """Returns the system of a config.

    Raises:
        UserError: a field of its sections `model` or `train` cannot be.
    """
    _check(config)
    section = config["model"]
    model = PSTNet(**{**section, "widths": tuple(tuple(pair) for pair in section["widths"])})
    return pointclouds.build(config, name=NAME, model=model, network=Classifier(model))


def _check(config: Mapping) -> None:
    neural.check(config)
    checks.within(config, "train", ("clip_frames",), low=4)  # time is halved twice
    checks.one_of(config, "model.variant", VARIANTS)
    checks.within(config, "model", ("points",), low=16, high=NUM_LANDMARKS)  # it is halved four times
    checks.within(config, "model", ("neighbours",), low=1)
    checks.within(config, "model", ("radius",), low=0)
    _check_widths(config["model"]["widths"])


def _check_widths(widths: Any) -> None:
    pairs = isinstance(widths, tuple | list) and all(isinstance(pair, tuple | list) for pair in widths)
    if not (pairs and len(widths) == len(REACHES) and all(len(pair) == 2 and min(pair) >= 1 for pair in widths)):
        raise UserError(
            f"config.model.widths is {widths}; it must be {len(REACHES)} pairs of inner and outer widths, such as "
            "((45,64),...)."
        )

"""A vanilla vision transformer on pictures as a system: the other reading of the row "Vanilla ViT" of Table 5.

How that row was fed is not known; `landmark_vit` is the reading that we take. The network, its sizes and its training,
as D-FuseSmileNet's, are our choice.
"""

import functools
from collections.abc import Mapping

from dfuse_jax.constants import CHIP_SIDE
from dfuse_jax.models import FrameViT
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.systems import checks, neural, pictures
from dfuse_jax.systems.classifier import Classifier

NAME = "frame_vit"


def build(config: Mapping) -> neural.Neural:
    """Returns the system of a config.

    Raises:
        UserError: a field of its sections `model` or `train` cannot be.
    """
    _check(config)
    section = {name: value for name, value in config["model"].items() if name != "dropout"}
    model = FrameViT(frames=config["train"]["clip_frames"], **section)
    return neural.build(
        config,
        name=NAME,
        network=Classifier(model),
        inputs=functools.partial(pictures.prepare, side=model.side),
        example=neural.example_of_clip(model.clip()),
    )


def _check(config: Mapping) -> None:
    neural.check(config)
    checks.within(config, "model", ("width", "heads", "head_width", "mlp", "patch"), low=1)
    checks.within(config, "model", ("depth",), low=0)
    checks.within(config, "model", ("side",), low=config["model"]["patch"], high=CHIP_SIDE)
    model = config["model"]
    if model["side"] % model["patch"]:
        raise UserError(f"config.model.side is {model['side']}; it must be a multiple of the patch, {model['patch']}.")

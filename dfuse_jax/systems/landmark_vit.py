"""A vanilla vision transformer on landmarks as a system: the row "Vanilla ViT" of the paper's Table 5.

How that row was fed is not known; the network, its sizes and its training, as D-FuseSmileNet's, are our choice.
"""

import functools
from collections.abc import Mapping

from dfuse_jax.constants import NUM_LANDMARKS
from dfuse_jax.models import LandmarkViT
from dfuse_jax.systems import checks, coordinates, neural, pointclouds
from dfuse_jax.systems.classifier import Classifier

NAME = "landmark_vit"


def build(config: Mapping) -> neural.Neural:
    """Returns the system of a config.

    Raises:
        UserError: a field of its sections `model` or `train` cannot be.
    """
    _check(config)
    section = {name: value for name, value in config["model"].items() if name != "dropout"}
    model = LandmarkViT(frames=config["train"]["clip_frames"], **section)
    return neural.build(
        config,
        name=NAME,
        network=Classifier(model),
        inputs=functools.partial(pointclouds.prepare_points, model.points, clip_coordinates=coordinates.choice(config)),
        example=neural.example_of_clip(model.clip()),
    )


def _check(config: Mapping) -> None:
    neural.check(config)
    checks.within(config, "model", ("width", "heads", "head_width", "mlp"), low=1)
    checks.within(config, "model", ("depth",), low=0)
    checks.within(config, "model", ("points",), low=1, high=NUM_LANDMARKS)

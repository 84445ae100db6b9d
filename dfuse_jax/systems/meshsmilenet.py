"""MeshSmileNet [24] as a system: D-FuseSmileNet's encoder alone, which is its fusion "none", without D-Markers."""

import functools
from collections.abc import Mapping

from dfuse_jax.systems import coordinates, dfusesmilenet, neural

NAME = "meshsmilenet"


def build(config: Mapping) -> neural.Neural:
    """Returns the system of a config.

    Raises:
        UserError: a field of its sections `model` or `train` cannot be.
    """
    dfusesmilenet.check_encoder(config)
    model = dfusesmilenet.build_model({**config["model"], "fusion": "none"})
    return neural.build(
        config,
        name=NAME,
        network=dfusesmilenet.Network(model),
        inputs=functools.partial(dfusesmilenet.prepare_landmarks, model, clip_coordinates=coordinates.choice(config)),
        example=dfusesmilenet.example(model),
    )

"""D-FuseSmileNet's answer for one smile, in half of the time, and what its D-Markers did to it.

`Trained.predict` finds the neighbours of all frames, as training does; here only the clips that are looked at have any.
The encoder is asked once, and the classifier, which takes no time, once more for each group of D-Markers.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from dfuse_jax import dmarkers, train
from dfuse_jax.constants import NUM_DMARKERS
from dfuse_jax.models import DFuseSmileNet
from dfuse_jax.samples import Sample, scale
from dfuse_jax.systems import coordinates, dfusesmilenet
from dfuse_jax.systems.neural import Neural
from dfuse_jax.train import State

if TYPE_CHECKING:
    from dfuse_jax.experiments.predict import Trained

FRAMES = 1024  # that D-Markers are padded to
GROUPS = tuple((region, phase) for region in dmarkers.REGIONS for phase in dmarkers.PHASES)


@dataclasses.dataclass(frozen=True)
class Answer:
    """What models say of a smile.

    Attributes:
        probabilities: that it is spontaneous, by each model.
        effects: {(region, phase): by how much the mean probability is higher than with the D-Markers of the mean
            training smile}; empty where that is not known.
    """

    probabilities: Float[np.ndarray, " models"]
    effects: dict[tuple[str, str], float]


def prepare(trained: "Trained") -> Callable[[Sample], Answer]:
    """Returns what answers for a smile: quickly where the models are D-FuseSmileNet's, and as `predict` otherwise."""
    system = trained.system
    if not isinstance(system, Neural) or not isinstance(system.network, dfusesmilenet.Network):
        return lambda sample: Answer(trained.predict(sample), {})
    platform = jax.local_devices()[0].platform
    network = system.network.with_kernels("plain").suited_to(platform, len(trained.models))
    program = _compile(network.model, platform)
    options = trained.config["dmarkers"]
    clip_coordinates = coordinates.choice(trained.config)
    clip = system.settings.clip_frames
    key = train.random_key(system.tuning)
    draw = jax.jit(functools.partial(train.draw_windows, system.settings))

    def answer(sample: Sample) -> Answer:
        length = len(sample.landmarks)
        start = np.asarray(draw(np.array([length], np.int32), np.zeros(1, np.int32), key))[0]
        frame = start[:, None] + np.arange(clip)
        windows = coordinates.read(sample, clip_coordinates)[np.minimum(frame, length - 1)]
        markers = _features(sample, definition=options["definition"], smoothing=options["smoothing"] or None)
        probabilities = np.asarray(program(trained.fitted, windows.astype(np.float32), frame < length, markers))
        differences = probabilities[:, :1] - probabilities[:, 1:]
        return Answer(
            probabilities[:, 0], dict(zip(GROUPS, differences.mean(axis=0, dtype=float).tolist(), strict=True))
        )

    return answer


def _compile(model: DFuseSmileNet, platform: str) -> Callable[..., Array]:
    """Returns what gives all replicas' probabilities, [R, 1 + groups]: as it is, and without each group."""
    size = NUM_DMARKERS // len(GROUPS)
    kept = np.repeat(np.concatenate([np.zeros((1, len(GROUPS)), bool), np.eye(len(GROUPS), dtype=bool)]), size, axis=1)
    kept = ~kept

    def of_replica(
        state: State,
        windows: Float[Array, "windows frames 478 3"],
        exists: Bool[Array, "windows frames"],
        markers: Float[Array, "225"],
    ) -> Float[Array, " rows"]:
        def apply(*arguments: Any, **options: Any) -> Any:
            return model.apply(state.variables(), *arguments, **options)

        # A clip that is longer than its video ends with zeros, as in `train.cut`.
        in_video = exists[..., None, None]
        neighbours = jnp.where(in_video, model.find_neighbours(windows), 0)
        frames = apply(jnp.where(in_video, windows, 0), neighbours=neighbours, method="encode")
        standardised = state.standardise({"dmarkers": markers})["dmarkers"]

        def ask(row: Bool[Array, "225"]) -> Float[Array, ""]:
            asked = jnp.broadcast_to(jnp.where(row, standardised, 0), (len(windows), NUM_DMARKERS))
            return jax.nn.sigmoid(apply(frames, asked, method="classify")).mean()

        return jax.vmap(ask)(jnp.asarray(kept))

    return jax.jit(train.over_replicas(of_replica, stacked=1, platform=platform))


def _features(sample: Sample, *, definition: str, smoothing: str | None) -> Float[np.ndarray, "225"]:
    """Returns the D-Markers of the whole smile."""
    points = sample.landmarks[:, np.array(dmarkers.LANDMARKS)]
    length = len(points)
    frames = FRAMES * -(-length // FRAMES)
    padded = np.pad(points, ((0, frames - length), (0, 0), (0, 0)), mode="edge")
    if definition == "authors":  # it reads the network's coordinates
        padded = scale(padded)
    return np.asarray(
        dmarkers.compute(
            padded, sample.fps, length=length, aspect=sample.aspect, definition=definition, smoothing=smoothing
        )
    )

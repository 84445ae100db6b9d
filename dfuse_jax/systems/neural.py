"""Systems that train a network: everything of `System` but what the network is and what it sees."""

import contextlib
import dataclasses
import functools
import math
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from dfuse_jax import train
from dfuse_jax.runtime import messages
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.samples import Sample
from dfuse_jax.systems import checks, coordinates, kernels
from dfuse_jax.train import (
    Assignment,
    Checkpoints,
    History,
    Inputs,
    Network,
    Optimizer,
    Progress,
    Replica,
    Settings,
    State,
    Tuning,
)

LAST_LAYERS = ("head", "head_out")  # the names under which networks have the layer that gives logits


@dataclasses.dataclass(frozen=True)
class Neural:
    """A network under training.

    Attributes:
        name: of the system.
        network: what is trained.
        settings: what all replicas share.
        tuning: the traced settings of a replica.
        inputs: makes what the network sees from samples.
        example: inputs of the same kind; only shapes and types matter.
        checkpoint_every: epochs from one checkpoint to the next.
        replicas_per_pass: how many replicas train at once, on all devices together; 0: as many as fit.
        kernels: "plain", "fused", or "auto" for those that are faster where the training runs.
    """

    name: str
    network: Network
    settings: Settings
    tuning: Tuning
    inputs: Callable[[Sequence[Sample]], Inputs]
    example: Inputs
    checkpoint_every: int = 10
    replicas_per_pass: int = 0
    kernels: str = "plain"

    @property
    def parameters(self) -> int:
        """How many parameters the network has; batch statistics are none."""
        shapes = train.trained_shapes(self.network, self.settings, self.example).params
        return sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes))

    def fit(
        self,
        inputs: Inputs,
        replicas: Sequence[Replica],
        directory: pathlib.Path,
        *,
        on_epoch: Callable[[Progress], None] = lambda progress: None,
        tunings: Sequence[Tuning] | None = None,
    ) -> History:
        """Trains all replicas at once, on the devices of all processes.

        `tunings` holds one for each replica; without them all have that of the system.
        """
        tuning = self.tuning if tunings is None else tunings
        messages.by_first(_make, directory)
        platform = jax.local_devices()[0].platform
        system = self
        if self.kernels == "auto":
            network = cast(kernels.Fusible, self.network)
            path = directory / kernels.NAME
            system = self.with_kernels(
                messages.by_first(
                    lambda: kernels.choose(path, network, self.settings, self.tuning, inputs, platform=platform)
                )
            )
        with contextlib.closing(Checkpoints(directory, every=self.checkpoint_every)) as checkpoints:
            size = system._pass_size(checkpoints, inputs, train.assign(replicas, tuning))
            on_device = max(1, size // (jax.local_device_count() * messages.size()))
            _, history = train.train(
                system.network.suited_to(platform, on_device),
                inputs,
                replicas,
                tuning,
                system.settings,
                checkpoints=checkpoints,
                on_epoch=on_epoch,
                size=size,
            )
        return history

    def with_kernels(self, name: str) -> "Neural":
        """Returns the system with "plain" or "fused" kernels of the network and of the optimiser."""
        network = cast(kernels.Fusible, self.network).with_kernels(name)
        optimizer = dataclasses.replace(self.settings.optimizer, fused=name == "fused")
        settings = dataclasses.replace(self.settings, optimizer=optimizer)
        return dataclasses.replace(self, network=network, settings=settings, kernels=name)

    def load(self, directory: pathlib.Path, replicas: int) -> State:
        """Reads the trained states of a finished fit, [replicas, ...]."""
        with contextlib.closing(Checkpoints(directory)) as checkpoints:
            return train.restore_trained(self.network, self.settings, self.example, checkpoints, replicas=replicas)

    def pack(self, fitted: State, replicas: Sequence[int]) -> dict[str, np.ndarray]:
        """Returns the trained states of some replicas by name, such as params/head/bias: [replicas, ...]."""
        return {name: np.asarray(leaf)[np.asarray(replicas)] for name, leaf in _by_name(fitted).items()}

    def unpack(self, arrays: Mapping[str, np.ndarray]) -> State:
        """Returns trained states [replicas, ...] on the first local device, in the precision that JAX computes in.

        Raises:
            ValueError: the arrays are those of another network.
        """
        shapes = train.trained_shapes(self.network, self.settings, self.example)
        leaves = _by_name(shapes)
        if differing := sorted(leaves.keys() ^ arrays.keys()):
            raise ValueError(f"{differing[0]} is {'missing' if differing[0] in leaves else 'unknown'}")
        for name, leaf in leaves.items():
            if arrays[name].shape[1:] != leaf.shape:
                raise ValueError(f"{name} has the shape {arrays[name].shape[1:]}, not {leaf.shape}")
        values = [arrays[name].astype(leaf.dtype) for name, leaf in leaves.items()]
        state = jax.tree.unflatten(jax.tree.structure(shapes), values)
        return jax.device_put(state, jax.local_devices()[0])

    def predict(self, fitted: State, inputs: Inputs) -> Float[np.ndarray, "replicas videos"]:
        """Averages the probabilities of random clips of each video, by each trained replica."""
        windows, shape = self.windows(inputs)
        arguments = windows, np.arange(len(windows.length), dtype=np.int32)
        probabilities = self._ask(_predict, fitted, *arguments, train.random_key(self.tuning))
        return probabilities.reshape(-1, *shape).mean(axis=2)

    def embed(self, fitted: State, inputs: Inputs) -> Float[np.ndarray, "replicas videos width"]:
        """Averages what the last layer sees of the same clips, by each trained replica; logits are linear in it.

        Raises:
            UserError: the network's last layer is not known.
        """
        windows, shape = self.windows(inputs)
        vectors = self._ask(_embed, fitted, train.as_clips(windows), windows.per_video)
        return vectors.reshape(len(vectors), *shape, -1).mean(axis=2)

    def windows(self, inputs: Inputs) -> tuple[Inputs, tuple[int, int]]:
        """Returns the random clips that a prediction rests on as videos of their own, and (videos, clips of each).

        Of the videos only what the windows show, so that videos of any length share what is compiled.
        """
        start = self.window_starts(inputs)
        return train.cut(inputs, start, self.settings.clip_frames), start.shape

    def window_starts(self, inputs: Inputs) -> Int[np.ndarray, "videos windows"]:
        """Returns the frames at which the clips of each video begin, which it draws as if it were the only one."""
        alone = np.zeros(len(inputs.length), np.int32)
        return np.asarray(_draw_windows(self.settings, inputs.length, alone, train.random_key(self.tuning)))

    def _ask(self, program: Callable, fitted: State, *arguments: Any) -> np.ndarray:
        """Returns what a program gives for all replicas, where their states are."""
        (device,) = jax.tree.leaves(fitted)[0].devices()
        replicas = len(jax.tree.leaves(fitted)[0])
        # A CPU would only interpret the kernels of a run that was trained on a GPU.
        interpreted = device.platform == "cpu" and self.kernels == "fused"
        network = self.with_kernels("plain").network if interpreted else self.network
        compiled = program(network.suited_to(device.platform, replicas), self.settings, device.platform)
        return np.asarray(compiled(fitted, *jax.device_put(arguments, device)))

    def epoch_work(self, replicas: Sequence[Replica]) -> tuple[int, int]:
        """Returns the training steps of an epoch, and the clips that it trains on and evaluates."""
        batch = self.settings.batch_size
        steps = sum(max(len(replica.train) // batch, 1) for replica in replicas)
        evaluated = sum(len(replica.val) + len(replica.test) for replica in replicas)
        return steps, steps * batch + evaluated * self.settings.eval_windows

    def _pass_size(self, checkpoints: Checkpoints, inputs: Inputs, assignment: Assignment) -> int:
        """Returns the replicas of a pass: as the checkpoints began, as the config says, or as many as fit."""
        begun = messages.by_first(lambda: checkpoints.description.get("replicas_per_pass"))
        if begun:
            return begun
        devices = jax.local_devices()
        at_most = self.replicas_per_pass
        if at_most == 0:
            fitting = train.replicas_that_fit(
                self.network.suited_to(devices[0].platform, 1),
                self.settings,
                assignment,
                inputs,
                devices,
                processes_of_host=messages.processes_of_host(),
            )
            at_most = messages.size() * min(messages.exchange(fitting))
        return train.pass_size(len(assignment.run), at_most, len(devices) * messages.size())


def build(
    config: Mapping,
    *,
    name: str,
    network: Network,
    inputs: Callable[[Sequence[Sample]], Inputs],
    example: Inputs,
) -> Neural:
    """Returns the system of a network under the training settings of a config.

    Args:
        config: a checked one.
        name: of the system.
        network: what is trained.
        inputs: makes what the network sees from samples.
        example: inputs of the same kind; only shapes and types matter.
    """
    return Neural(
        name=name,
        network=network,
        settings=settings(config),
        tuning=tuning(config),
        inputs=inputs,
        example=example,
        checkpoint_every=config["train"]["checkpoint_every"],
        replicas_per_pass=config["train"]["replicas_per_pass"],
        kernels=_kernels(config),
    )


def example_of_clip(clip: Any) -> Inputs:
    """Returns the shapes of inputs of a video of one frame, of which a network sees nothing but clips.

    Args:
        clip: the tree of shapes [1, T, ...] of a batch of one clip.
    """
    number: Any = jax.ShapeDtypeStruct((1,), np.int32)
    label: Any = jax.ShapeDtypeStruct((1,), jnp.result_type(float))
    per_frame = jax.tree.map(lambda x: jax.ShapeDtypeStruct((2, *x.shape[2:]), x.dtype), clip)
    return Inputs(per_frame=per_frame, per_video={}, first=number, length=number, label=label)


def settings(config: Mapping) -> Settings:
    """Returns the training settings of a config's `train` section."""
    section = config["train"]
    names = {field.name for field in dataclasses.fields(Settings)} - {"optimizer", "class_weights"}
    optimizer = {**section["optimizer"], "fused": _kernels(config) == "fused"}
    if "milestones" in optimizer:
        optimizer["milestones"] = tuple(optimizer["milestones"])
    return Settings(
        **{name: section[name] for name in names},
        optimizer=Optimizer(**optimizer),
        class_weights=checks.is_on(config, "class_weights"),
    )


def tuning(config: Mapping) -> Tuning:
    """Returns the traced settings of a config."""
    section = config["train"]
    return Tuning(
        learning_rate=section["learning_rate"],
        last_epoch_factor=section["last_epoch_factor"],
        weight_decay=section["weight_decay"],
        dropout=config["model"].get("dropout", 0.0),  # a network may have none
        seed=config["seed"],
    )


def check(config: Mapping) -> None:
    """Raises UserError for a field of the `train` section that cannot be."""
    counts = ("epochs", "batch_size", "clip_frames", "eval_windows", "checkpoint_every")
    checks.within(config, "train", counts, low=1)
    numbers = ("learning_rate", "last_epoch_factor", "weight_decay", "replicas_per_pass")
    checks.within(config, "train", numbers, low=0)
    checks.one_of(config, "train.optimizer.name", train.OPTIMIZERS)
    if "clip_coordinates" in config["train"]:
        checks.one_of(config, "train.clip_coordinates", coordinates.NAMES)
    if "dropout" in config["model"]:
        checks.within(config, "model", ("dropout",), low=0, high=0.99)


def _kernels(config: Mapping) -> str:
    """Returns a config's kernels; most networks have none but XLA's."""
    return config["model"].get("kernels", "plain")


def _by_name(state: State) -> dict[str, Any]:
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}


def _make(directory: pathlib.Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)


@functools.lru_cache(maxsize=4)
def _predict(network: Network, settings: Settings, platform: str) -> Callable:
    """Returns what asks all replicas [R, ...] about windows that are videos of their own."""
    one = functools.partial(train.predict, network, dataclasses.replace(settings, eval_windows=1))
    return jax.jit(train.over_replicas(one, stacked=1, platform=platform))


@functools.lru_cache(maxsize=4)
def _embed(network: Network, settings: Settings, platform: str) -> Callable:
    """Returns what gives the input of all replicas' last layer for clips [N, T, ...] and their videos' features."""

    def of_replica(state: State, clips: Any, per_video: Any) -> Array:
        count = len(jax.tree.leaves(clips)[0])
        size = min(settings.batch_size, count)
        rows = jnp.arange(-(-count // size) * size).reshape(-1, size) % count  # the last ones are repeats

        def of_batch(row: Array) -> Array:
            clip, video = jax.tree.map(lambda x: x[row], (clips, state.standardise(per_video)))
            return _last_input(network, state, clip, video)

        vectors = lax.map(of_batch, rows)
        return vectors.reshape(-1, vectors.shape[-1])[:count]

    return jax.jit(train.over_replicas(of_replica, stacked=1, platform=platform))


def _last_input(network: Network, state: State, clip: Any, video: Any) -> Array:
    """Returns what the network's last layer, one of LAST_LAYERS, sees of a batch."""
    inputs = []

    def keep(layer: Callable, arguments: tuple, options: dict, context: nn.module.InterceptorContext) -> Any:
        if context.module.name in LAST_LAYERS and context.method_name == "__call__":
            inputs.append(arguments[0])
        return layer(*arguments, **options)

    with nn.intercept_methods(keep):
        network.apply(state.variables(), clip, video, train=False, dropout=0.0, rngs=None, mutable=False)
    if not inputs:
        raise UserError(f"the network has no embedding: none of its layers is named {' or '.join(LAST_LAYERS)}.")
    return inputs[-1]


_draw_windows = jax.jit(train.draw_windows, static_argnums=0)

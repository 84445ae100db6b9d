"""Systems: what `config.system` names, each a way from samples to the probability that a smile is spontaneous.

An experiment knows a system by the protocol `System` alone. `register` adds one:

    systems.register("svm", build)      # build(config) -> System
"""

import importlib
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from dfuse_jax.runtime.errors import UserError
from dfuse_jax.samples import Sample
from dfuse_jax.train import History, Inputs, Progress, Replica

__all__ = ["Embedding", "Portable", "System", "build", "names", "register"]


class System(Protocol):
    """What an experiment may assume of a system.

    Attributes:
        name: as in `config.system`.
    """

    name: str

    @property
    def parameters(self) -> int | None:
        """How many parameters are learnt; None if that depends on the videos."""
        ...

    def inputs(self, samples: Sequence[Sample]) -> Inputs:
        """Returns what the system sees of the samples, on the host."""
        ...

    def fit(
        self,
        inputs: Inputs,
        replicas: Sequence[Replica],
        directory: pathlib.Path,
        *,
        on_epoch: Callable[[Progress], None],
    ) -> History:
        """Fits every replica and evaluates its videos after every epoch; a system without epochs counts as one epoch.

        What is learnt stays in `directory`, where `load` finds it; a fit that was interrupted goes on from there.
        """
        ...

    def load(self, directory: pathlib.Path, replicas: int) -> Any:
        """Returns the first `replicas` replicas of a finished fit, as `predict` takes them."""
        ...

    def predict(self, fitted: Any, inputs: Inputs) -> Float[np.ndarray, "replicas videos"]:
        """Returns the probability that each video is spontaneous, by each fitted replica."""
        ...

    def epoch_work(self, replicas: Sequence[Replica]) -> tuple[int, int]:
        """Returns how many training steps and how many clips an epoch takes; 0 and 0 without epochs."""
        ...


@runtime_checkable
class Portable(Protocol):
    """A system whose fitted replicas can leave the folder of their run, as arrays."""

    def pack(self, fitted: Any, replicas: Sequence[int]) -> dict[str, np.ndarray]:
        """Returns what some of the replicas learnt: {name: [replicas, ...]}."""
        ...

    def unpack(self, arrays: Mapping[str, np.ndarray]) -> Any:
        """Returns fitted replicas, as `predict` takes them, from what `pack` returned.

        Raises:
            ValueError: the arrays are not those of this system.
        """
        ...


@runtime_checkable
class Embedding(Protocol):
    """A system that sees every video as a vector before it decides."""

    def embed(self, fitted: Any, inputs: Inputs) -> Float[np.ndarray, "replicas videos width"]:
        """Returns the vector of each video, by each fitted replica.

        Raises:
            UserError: it has none after all.
        """
        ...


_builders: dict[str, str | Callable[[Mapping], System]] = {
    "dfusesmilenet": "dfuse_jax.systems.dfusesmilenet",
    "deepmarkernet": "dfuse_jax.systems.deepmarkernet",
    "meshsmilenet": "dfuse_jax.systems.meshsmilenet",
    "frame_vit": "dfuse_jax.systems.frame_vit",
    "landmark_vit": "dfuse_jax.systems.landmark_vit",
    "p4transformer": "dfuse_jax.systems.p4transformer",
    "pstnet": "dfuse_jax.systems.pstnet",
    "realsmilenet": "dfuse_jax.systems.realsmilenet",
    "pfister11": "dfuse_jax.systems.pfister11",
    "wu14": "dfuse_jax.systems.wu14",
    "wu17": "dfuse_jax.systems.wu17",
    "mandal16": "dfuse_jax.systems.mandal16",
    "mandal17": "dfuse_jax.systems.mandal17",
    "cohn04": "dfuse_jax.systems.cohn04",
    "dibeklioglu10": "dfuse_jax.systems.dibeklioglu10",
    "dibeklioglu15": "dfuse_jax.systems.dibeklioglu15",
}


def names() -> tuple[str, ...]:
    """Returns the names of all systems."""
    return tuple(_builders)


def register(name: str, build: Callable[[Mapping], System]) -> None:
    """Makes a system known.

    Args:
        name: for `config.system`.
        build: makes the system from a config; raises UserError for a field that cannot be.
    """
    _builders[name] = build


def build(config: Mapping) -> System:
    """Returns the system of a config.

    Raises:
        UserError: there is none of that name, or one of its fields cannot be.
    """
    name = config["system"]
    if name not in _builders:
        raise UserError(f"config.system is {name!r}; it must be one of {', '.join(_builders)}.")
    builder = _builders[name]
    if isinstance(builder, str):  # imported only when it is asked for
        builder = importlib.import_module(builder).build
    return builder(config)

"""Which kernels a network trains with on a GPU: XLA's, or the fused ones where they agree and are faster."""

import functools
import json
import pathlib
import time
from collections.abc import Callable
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from dfuse_jax import train
from dfuse_jax.runtime import files
from dfuse_jax.train import Inputs, Network, Replica, Settings, Tuning

NAME = "kernels.json"  # the choice, beside the checkpoints of a run
PERTURBATIONS = 3  # of the parameters; how far they move loss and gradients is what rounding may do
MARGIN = 3  # of the fused kernels' difference over that

Timer = Callable[[Callable[[], Any]], float]


class Fusible(Network, Protocol):
    """A network that fused kernels can compute."""

    def with_kernels(self, kernels: str) -> Network:
        """Returns the network with "plain" or "fused" kernels; they change memory and speed alone."""
        ...


def choose(
    path: pathlib.Path,
    network: Fusible,
    settings: Settings,
    tuning: Tuning,
    inputs: Inputs,
    *,
    platform: str,
    timer: Timer | None = None,
) -> str:
    """Returns "plain" or "fused": as the file says, or as both compare, which is then written into the file.

    Args:
        path: the file.
        network: to be trained.
        settings: of the training.
        tuning: likewise.
        inputs: to train on, of which the first videos are taken.
        platform: kind of device; on "cpu" it is plain whatever the file says.
        timer: returns the seconds that a call takes.
    """
    if platform == "cpu":
        return "plain"
    if not path.exists():
        comparison = compare(network, settings, tuning, inputs, platform=platform, timer=timer or _fastest)
        with files.atomic(path) as file:
            json.dump(comparison, file, indent=1)
    return json.loads(path.read_text())["kernels"]


def compare(
    network: Fusible, settings: Settings, tuning: Tuning, inputs: Inputs, *, platform: str, timer: Timer
) -> dict:
    """Computes loss and gradients of a batch with both kernels; returns the choice and what it rests on, as JSON.

    A curve of the encoder takes whole other points where rounding turns a pick, so no fixed tolerance fits. The fused
    kernels may differ from the plain ones by as much as these do from themselves where parameters are rounded.
    """
    inputs = jax.device_put(_first_videos(inputs, settings.batch_size))
    batch = np.resize(np.arange(len(inputs.length)), settings.batch_size)
    example = Replica(run=0, fold=0, train=batch, val=batch[:0], test=batch)
    # Without dropout, whose bits a kernel may draw differently; at this rate it takes as long as at any other.
    replica = jax.tree.map(lambda x: x[0], train.assign([example], tuning._replace(dropout=0.0)))
    state = jax.jit(functools.partial(train.initialise, network, settings))(replica, inputs)
    key = jax.random.key(0)

    def program(kernels: str) -> Callable:
        suited = network.with_kernels(kernels).suited_to(platform, 1)

        @jax.jit
        def loss_and_gradient(params, inputs, video):
            own = state._replace(params=params)
            loss, gradient, _ = train.loss_and_gradient(suited, settings, own, replica, inputs, video, key)
            return loss, gradient

        return lambda params: loss_and_gradient(params, inputs, batch)

    plain, fused = program("plain"), program("fused")
    reference = plain(state.params)
    rounded = [plain(_perturbed(state.params, seed)) for seed in range(PERTURBATIONS)]
    allowed = MARGIN * np.max([_distances(result, reference) for result in rounded], axis=0)
    try:
        excess = float(np.max(_distances(fused(state.params), reference) / np.maximum(allowed, 1e-12)))
    except Exception as error:  # whatever a compiler raises that does not take the kernels for this device
        return {"kernels": "plain", "reason": f"the fused kernels failed: {str(error).splitlines()[0]}"}
    seconds = {name: timer(lambda run=run: run(state.params)) for name, run in (("plain", plain), ("fused", fused))}
    faster = min(seconds, key=lambda name: seconds[name])
    # Not "excess > 1", which a difference that is no number would pass.
    kernels, reason = (faster, "faster") if excess <= 1 else ("plain", "the fused kernels differ by more than rounding")
    return {"kernels": kernels, "reason": reason, "seconds": seconds, "difference_of_allowed": excess}


def _first_videos(inputs: Inputs, number: int) -> Inputs:
    """Returns inputs of the first videos alone; the last frame stays the one of zeros."""
    frames = int(np.max(inputs.first[:number] + inputs.length[:number]))
    return Inputs(
        per_frame=jax.tree.map(lambda x: np.concatenate([x[:frames], x[-1:]]), inputs.per_frame),
        per_video=jax.tree.map(lambda x: x[:number], inputs.per_video),
        first=inputs.first[:number],
        length=inputs.length[:number],
        label=inputs.label[:number],
    )


def _perturbed(params: Any, seed: int) -> Any:
    """Returns parameters that are off by as much as bfloat16, and about what float32 is multiplied in, rounds."""
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda x: x * (1 + 2.0**-9 * jnp.asarray(rng.normal(size=x.shape), x.dtype)), params)


def _distances(result: Any, reference: Any) -> Float[np.ndarray, " leaves"]:
    """Returns the norm of the difference of every leaf."""
    pairs = zip(jax.tree.leaves(result), jax.tree.leaves(reference), strict=True)
    return np.array([np.linalg.norm(np.ravel(_wide(x) - _wide(y))) for x, y in pairs])


def _wide(x: Array) -> Float[np.ndarray, "..."]:
    return np.asarray(x, np.float64)


def _fastest(call: Callable[[], Any]) -> float:
    """Returns the seconds of the fastest of ten calls, after one more."""
    jax.block_until_ready(call())
    seconds = []
    for _ in range(10):
        begin = time.perf_counter()
        jax.block_until_ready(call())
        seconds.append(time.perf_counter() - begin)
    return min(seconds)

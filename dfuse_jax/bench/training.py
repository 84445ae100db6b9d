"""Times of training steps and evaluated clips, of several folds at once, as in an epoch of a cross-validation."""

import contextlib
import functools
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

import jax
import numpy as np
from jax.experimental.compilation_cache import compilation_cache

from dfuse_jax import train
from dfuse_jax.bench.timing import best
from dfuse_jax.constants import NUM_DMARKERS
from dfuse_jax.data import synthetic
from dfuse_jax.models import DFuseSmileNet
from dfuse_jax.systems.dfusesmilenet import Network, prepare_landmarks
from dfuse_jax.train import Inputs, Replica, Settings, Tuning, epoch
from dfuse_jax.train.memory import ram


def synthetic_inputs(model: DFuseSmileNet, videos: int = 16) -> Inputs:
    """Returns synthetic smiles as training sees them, with made-up D-Markers."""
    samples = synthetic.generate(videos, videos)
    dmarkers = np.random.default_rng(0).normal(size=(videos, NUM_DMARKERS)).astype(np.float32)
    return prepare_landmarks(model, samples)._replace(per_video={"dmarkers": dmarkers})


def time_folds(model: DFuseSmileNet, inputs: Inputs, folds: int, kind: str, *, steps: int, seconds: float) -> dict:
    """Times so many folds at once.

    Args:
        model: full-size, or any.
        inputs: from `synthetic_inputs`.
        folds: how many.
        kind: "training" (steps of 16 clips, from drawing the windows to the new parameters) or "forward" (as many
            evaluated clips).
        steps: in a call.
        seconds: for which calls are repeated; the fastest counts.

    Returns:
        Milliseconds of a fold's step, clips a second, seconds to compile cold and from the cache, operations and bytes
        by XLA's count, bytes of memory; without the first two where that many folds do not fit.
    """
    device = jax.devices()[0]
    network = Network(model).suited_to(device.platform, folds)
    settings = Settings(eval_windows=1)
    clips = np.resize(np.arange(len(inputs.length)), steps * settings.batch_size)
    replicas = [Replica(0, fold, clips, clips[:0], clips) for fold in range(folds)]
    assignment = jax.device_put(train.assign(replicas, Tuning()))
    inputs = jax.device_put(inputs)
    initialise = jax.vmap(functools.partial(epoch.initialise, network, settings), in_axes=(0, None))
    state = jax.jit(initialise)(assignment, inputs)
    if kind == "training":
        function = functools.partial(epoch.train_epoch, network, settings)
        arguments = (state, assignment, inputs, np.int32(0), np.bool_(False))
    else:
        function = functools.partial(_evaluate, network, settings)
        arguments = (state, assignment, inputs, jax.random.key(0))
    mapped = epoch.over_replicas(function, stacked=2, platform=device.platform)
    with _compilation_cache():
        _, cold = _compile(mapped, arguments)
        compiled, warm = _compile(mapped, arguments)
    cost = compiled.cost_analysis() or {}
    cost = cost[0] if isinstance(cost, list) else cost
    memory = compiled.memory_analysis()
    row = {
        "folds": folds,
        "kind": kind,
        "dtype": str(model.dtype or "float32"),
        "compile_cold_s": cold,
        "compile_warm_s": warm,
        "xla_flops_call": cost.get("flops"),
        "xla_bytes_call": cost.get("bytes accessed"),
        "memory_bytes": memory and memory.temp_size_in_bytes + memory.argument_size_in_bytes,
    }
    if device.platform == "cpu" and memory and row["memory_bytes"] > 0.8 * ram():
        return row
    try:
        jax.block_until_ready(compiled(*arguments))
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        return row
    call_s = best(lambda: jax.block_until_ready(compiled(*arguments)), seconds)
    speed = {"ms_fold_step": 1e3 * call_s / steps / folds, "clips_per_s": folds * len(clips) / call_s}
    return {**row, **speed, "peak_bytes": _peak_bytes(device)}


@contextlib.contextmanager
def _compilation_cache() -> Iterator[None]:
    """Uses an empty compilation cache within the block, for cold and warm compilations."""
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs")
    before = {name: getattr(jax.config, name) for name in names}
    with tempfile.TemporaryDirectory() as folder:
        for name, value in zip(names, (folder, 0), strict=True):
            jax.config.update(name, value)
        compilation_cache.reset_cache()
        try:
            yield
        finally:
            for name, value in before.items():
                jax.config.update(name, value)
            compilation_cache.reset_cache()


def _compile(function: Callable, arguments: tuple) -> tuple[jax.stages.Compiled, float]:
    """Compiles a function anew; returns it and the seconds that it took."""
    jax.clear_caches()
    begin = time.perf_counter()
    compiled = jax.jit(function).lower(*arguments).compile()
    return compiled, time.perf_counter() - begin


def _evaluate(network, settings, state, replica, inputs, key):
    return epoch.predict(network, settings, state, inputs, replica.evaluate, key)


def _peak_bytes(device: jax.Device) -> int:
    """Returns the bytes that the device, or on a CPU this process, has held at most so far."""
    stats = device.memory_stats() or {}
    unit = 1 if sys.platform == "darwin" else 1024
    return stats.get("peak_bytes_in_use") or unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

"""Times of training steps and evaluated clips, of several folds at once, as in an epoch of a cross-validation."""

import contextlib
import functools
import resource
import sys
import tempfile
import time

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.compilation_cache import compilation_cache

from dfuse_jax import train
from dfuse_jax.bench.dmarkers import bandwidth, best
from dfuse_jax.data import synthetic
from dfuse_jax.data.folds import Replica
from dfuse_jax.models import DFuseSmileNet
from dfuse_jax.samples import scale
from dfuse_jax.train import epoch
from dfuse_jax.train.memory import ram


def peaks(seconds: float) -> dict[str, float]:
    """What the device does at best: operations a second of a matrix product, by precision, and bytes a second."""
    device = jax.devices()[0]
    size = 2048 if device.platform == "cpu" else 8192
    found = {"bytes": bandwidth(device, seconds)}
    for dtype in ("float32", "bfloat16"):
        a = jnp.ones((size, size), dtype)
        product = jax.jit(lambda a: a @ a)
        product(a).block_until_ready()
        found[dtype] = 2.0 * size**3 / best(lambda f=product, a=a: f(a).block_until_ready(), seconds)
    return found


def data(model: DFuseSmileNet, videos: int = 16) -> train.Videos:
    """Synthetic smiles, packed as for training, with made-up D-Markers."""
    samples = synthetic.generate(videos, videos)
    dmarkers = np.random.default_rng(0).normal(size=(videos, 225))
    return train.pack(model, [scale(s.landmarks) for s in samples], [s.label for s in samples], dmarkers)


@contextlib.contextmanager
def cache():
    """A compilation cache of one's own, for cold and warm compilations."""
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


def _compile(f, *arguments) -> tuple[jax.stages.Compiled, float]:
    jax.clear_caches()
    begin = time.perf_counter()
    compiled = f().lower(*arguments).compile()
    return compiled, time.perf_counter() - begin


def folds(model: DFuseSmileNet, videos: train.Videos, count: int, kind: str, steps: int, seconds: float) -> dict:
    """Times `count` folds at once.

    Args:
        model: full-size, or any.
        videos: from `data`.
        count: of folds.
        kind: "training" (steps of 16 clips, from drawing the windows to the new parameters) or "forward" (as many
            evaluated clips).
        steps: in a call.
        seconds: for which calls are repeated; the fastest counts.

    Returns:
        Milliseconds of a fold's step, clips a second, seconds to compile cold and from the cache, operations and bytes
        by XLA's count, bytes of memory; without the first two where that many folds do not fit.
    """
    device = jax.devices()[0]
    model = model.on(device.platform, count)
    settings = train.Settings(eval_windows=1)
    clips = np.resize(np.arange(len(videos.length)), steps * settings.batch_size)
    replicas = train.assign([Replica(0, fold, clips, clips[:0], clips) for fold in range(count)])
    state = jax.jit(jax.vmap(functools.partial(epoch.init, model, settings), in_axes=(0, None)))(replicas, videos)
    replicas = jax.device_put(replicas)
    if kind == "training":
        call = functools.partial(epoch.fit, model, settings)
        arguments = (state, replicas, videos, np.int32(0))
    else:
        call = functools.partial(_evaluate, model, settings)
        arguments = (state, replicas, videos, jax.random.key(0))
    every = lambda: jax.jit(epoch.beside(call, 2))  # noqa: E731
    with cache():
        _, cold = _compile(every, *arguments)
        compiled, warm = _compile(every, *arguments)
    cost = compiled.cost_analysis() or {}
    cost = cost[0] if isinstance(cost, list) else cost
    memory = compiled.memory_analysis()
    row = {
        "folds": count,
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
    speed = {"ms_fold_step": 1e3 * call_s / steps / count, "clips_per_s": count * len(clips) / call_s}
    return {**row, **speed, "peak_bytes": _peak(device)}


def _evaluate(model, settings, state, replica, videos, key):
    return epoch.predict(model, settings, state, videos, replica.evaluate, key)


def _peak(device: jax.Device) -> int:
    """Bytes that the device, or on a CPU this process, has held at most so far."""
    stats = device.memory_stats() or {}
    unit = 1 if sys.platform == "darwin" else 1024
    return stats.get("peak_bytes_in_use") or unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

"""What a recipe runs on a GPU, compiled without one: a training step and an evaluation of several folds at once."""

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from dfuse_jax import train
from dfuse_jax.bench.gpu import hlo, pallas, traffic
from dfuse_jax.systems.neural import Neural
from dfuse_jax.train import Inputs, Replica, epoch
from dfuse_jax.train.devices import Placement

KINDS = ("training", "forward")
# Autotuning runs candidates on the device, and Triton's matrix products cannot do without: both are turned off.
_OPTIONS = {"xla_gpu_autotune_level": 0, "xla_gpu_enable_triton_gemm": False}


class Size(NamedTuple):
    """How much data lies on every device."""

    videos: int
    frames: int


class Program(NamedTuple):
    """What would run.

    Attributes:
        function: of all devices.
        arguments: of which only shapes and types matter.
        shared: bytes of the data, of which a device has one copy for all its folds.
    """

    function: Callable
    arguments: tuple
    shared: int


class Compiled(NamedTuple):
    """A compiled program; bytes are those of one device.

    Attributes:
        text: optimised HLO.
        arguments: bytes.
        shared: those of the arguments that all folds share.
        results: bytes of those results that do not take an argument's memory.
        temporary: bytes.
        seconds: to compile.
        cpu_seconds: of all cores to compile, which another process on them changes less.
        traffic: of one device.
    """

    text: str
    arguments: int
    shared: int
    results: int
    temporary: int
    seconds: float
    cpu_seconds: float
    traffic: traffic.Traffic

    @property
    def memory(self) -> int:
        """Bytes of all kinds together."""
        return self.arguments + self.results + self.temporary


def program(system: Neural, kind: str, folds: int, size: Size, devices: Sequence[jax.Device]) -> Program:
    """Returns a program as a cross-validation runs it, on a batch of clips of every fold.

    Args:
        system: whose network is trained or evaluated.
        kind: "training" (a step from drawing the clips to the new parameters) or "forward" (as many evaluated clips).
        folds: of each device.
        size: of the data.
        devices: on which it would run.
    """
    placement = Placement(tuple(devices), folds)
    platform = placement.devices[0].platform
    network = system.network.suited_to(platform, folds)
    inputs = _resized(system.example, size)
    batch = np.arange(system.settings.batch_size)
    replicas = [Replica(run=0, fold=n, train=batch, val=batch[:0], test=batch) for n in range(placement.total)]
    assignment = train.assign(replicas, system.tuning)
    assignment = jax.tree.map(lambda x: x.reshape(len(devices), folds, *x.shape[1:]), assignment)
    over_folds = jax.vmap(functools.partial(epoch.initialise, network, system.settings), in_axes=(0, None))
    state = jax.eval_shape(jax.vmap(over_folds, in_axes=(0, None)), assignment, inputs)
    if kind == "training":
        function = functools.partial(epoch.train_epoch, network, system.settings)
        arguments = (state, assignment, inputs, np.int32(0), np.bool_(False))
    else:
        one_window = dataclasses.replace(system.settings, eval_windows=1)
        function = functools.partial(_evaluate, network, one_window)
        arguments = (state.trained(), assignment, inputs, jax.eval_shape(jax.random.key, 0))
    mapped = placement.map(
        epoch.over_replicas(function, stacked=2, platform=platform),
        in_axes=(0, 0, *(None for _ in arguments[2:])),
        donate=(0,) if kind == "training" else (),
    )
    shared = sum(math.prod(x.shape) * x.dtype.itemsize for x in jax.tree.leaves(inputs))
    return Program(mapped, arguments, shared)


def compile_(program: Program) -> Compiled:
    """Compiles a program for its devices and counts what it asks of memory."""
    lowered: Any = program.function.lower(*program.arguments)
    begin, cpu_begin = time.perf_counter(), time.process_time()
    compiled = lowered.compile(compiler_options=_OPTIONS)
    seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - cpu_begin
    text, memory = compiled.as_text(), compiled.memory_analysis()
    blocks = pallas.blocks(jax.make_jaxpr(program.function)(*program.arguments)) if "pallas_call" in text else {}
    return Compiled(
        text=text,
        arguments=memory.argument_size_in_bytes,
        shared=program.shared,
        results=memory.output_size_in_bytes - memory.alias_size_in_bytes,
        temporary=memory.temp_size_in_bytes,
        seconds=seconds,
        cpu_seconds=cpu_seconds,
        traffic=traffic.count(hlo.parse(text), blocks),
    )


def _evaluate(network, settings, state, replica, inputs, key):
    return epoch.predict(network, settings, state, inputs, replica.evaluate, key)


def _resized(example: Inputs, size: Size) -> Inputs:
    """Returns the shapes of inputs of that size."""

    def rows(tree: Any, number: int) -> Any:
        return jax.tree.map(lambda x: jax.ShapeDtypeStruct((number, *x.shape[1:]), x.dtype), tree)

    whole: Any = jax.ShapeDtypeStruct((size.videos,), np.int32)
    return Inputs(
        per_frame=rows(example.per_frame, size.frames + 1),
        per_video=rows(example.per_video, size.videos),
        first=whole,
        length=whole,
        label=rows(example.label, size.videos),
    )

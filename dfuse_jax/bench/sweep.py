"""An epoch of all settings of a sweep against so many epochs of one setting, by turns in one process.

    python -m dfuse_jax.bench.sweep [rounds]

It is the demo of the recipe sweep. CPU seconds are compared as well as seconds, since other programs may be running.
"""

import functools
import sys
import time
from collections.abc import Callable
from typing import cast

import jax
import numpy as np

from dfuse_jax import systems, train
from dfuse_jax.data.dataset import list_labels, list_subjects
from dfuse_jax.experiments import crossval, recipe, sweep
from dfuse_jax.experiments.replicas import make_replicas
from dfuse_jax.systems.neural import Neural
from dfuse_jax.train import Inputs, Replica, Tuning, epoch

ROUNDS = 5


def main(rounds: int = ROUNDS) -> None:
    """Prints both times and their ratio."""
    config = recipe.read("sweep")
    planned = sweep.plan(config)
    (program,) = planned.programs
    data = crossval.read_data(program.config)
    built = systems.build(program.config)
    inputs = crossval.read_inputs(built, data, program.config)
    system = cast(Neural, built)
    labels, subjects = np.array(list_labels(data.samples)), list_subjects(data.samples)
    folds = make_replicas(
        data.folds[: config.sweep.folds],
        labels,
        subjects,
        validation_share=config.cv.validation_share,
        seed=config.seed,
    )
    folds = [replica for replica in folds if replica.validated]
    tunings = [system.tuning._replace(**setting) for setting in planned.settings]
    one = epoch_of(system, inputs, folds, tunings[:1])
    all_of_them = epoch_of(system, inputs, folds, tunings)
    count = len(tunings)

    def one_by_one() -> None:
        for _ in range(count):
            one()

    times = np.array([[*timed(one_by_one), *timed(all_of_them)] for _ in range(rounds)])
    wall_of_ones, cpu_of_ones, wall, cpu = np.median(times, axis=0)
    print(f"{count} epochs of one setting: {wall_of_ones:.2f} s, {cpu_of_ones:.2f} CPU seconds")
    print(f"one epoch of {count} settings: {wall:.2f} s, {cpu:.2f} CPU seconds")
    print(f"the latter against the former: {wall / wall_of_ones:.3f}, CPU {cpu / cpu_of_ones:.3f}")


def epoch_of(system: Neural, inputs: Inputs, folds: list[Replica], tunings: list[Tuning]) -> Callable[[], object]:
    """Returns what trains and evaluates all folds of some settings for one epoch, compiled and called once."""
    device = jax.devices()[0]
    replicas = folds * len(tunings)
    network = system.network.suited_to(device.platform, len(replicas))
    each = [tuning for tuning in tunings for _ in folds]
    assignment, on_device = jax.device_put((train.assign(replicas, each), inputs), device)
    initialise = functools.partial(epoch.initialise, network, system.settings)
    state = jax.jit(jax.vmap(initialise, in_axes=(0, None)))(assignment, on_device)
    run = functools.partial(epoch.run_epoch, network, system.settings)
    program = jax.jit(train.over_replicas(run, stacked=2, platform=device.platform))

    def call() -> object:
        return jax.block_until_ready(program(state, assignment, on_device, np.int32(0), np.bool_(False)))

    call()
    return call


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """Returns the seconds and the CPU seconds of a call."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - cpu


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

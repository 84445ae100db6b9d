"""A recipe's programs from shapes alone, here of a toy and for this machine's CPU."""

import jax
import numpy as np
import pytest
import toys

from dfuse_jax.bench.gpu import programs
from dfuse_jax.bench.gpu.programs import Size

VIDEOS, FRAMES, FOLDS = 5, 400, 3
BATCH = 4  # of the toy


def program(kind):
    system = toys.build_pixels(toys.recipe("pixels").to_dict())
    return programs.program(system, kind, FOLDS, Size(VIDEOS, FRAMES), jax.devices()[:1])


def size_of(tree):
    return sum(int(np.prod(x.shape)) * x.dtype.itemsize for x in jax.tree.leaves(tree))


@pytest.fixture(scope="module")
def training():
    return program("training")


def test_the_data_have_the_size_that_was_asked_for(training):
    _, assignment, inputs, *_ = training.arguments
    assert inputs.per_frame["pixels"].shape == (FRAMES + 1, toys.SIDE, toys.SIDE)
    assert inputs.per_video["length"].shape == inputs.label.shape == (VIDEOS,)
    assert assignment.train.shape == (1, FOLDS, BATCH)  # a batch: one step


def test_a_step_holds_states_and_data_and_writes_the_new_states_over_the_old(training):
    compiled = programs.compile_(training)
    state, assignment, inputs, *_ = training.arguments
    unused = assignment.evaluate  # which XLA leaves out
    epoch, last = 4, 1
    assert compiled.arguments == size_of((state, assignment, inputs)) - size_of(unused) + epoch + last
    assert size_of(state) > 1000
    assert compiled.results < 1000  # the losses, and the addresses of all results
    assert compiled.shared == size_of(inputs)
    assert compiled.memory == compiled.arguments + compiled.results + compiled.temporary
    assert compiled.seconds > 0
    assert compiled.traffic.launches > 10
    assert compiled.traffic.collectives == []


def test_an_evaluation_has_one_clip_of_each_video_of_a_batch_and_no_optimiser():
    forward = program("forward")
    assert jax.eval_shape(forward.function, *forward.arguments).shape == (1, FOLDS, BATCH)
    assert forward.arguments[0].optimizer == ()

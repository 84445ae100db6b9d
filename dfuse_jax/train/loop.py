"""All replicas, all epochs: `vmap` over the replicas of a device, `pmap` over devices, one compiled call an epoch."""

import contextlib
import functools
import signal
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np

from dfuse_jax.data.folds import Replica
from dfuse_jax.train import epoch as _epoch
from dfuse_jax.train.checkpoint import Checkpoints
from dfuse_jax.train.epoch import Settings, State
from dfuse_jax.train.replicas import Assignment, Videos, assign


class History(NamedTuple):
    """What every epoch said, on the host.

    Attributes:
        losses: [epochs, R], mean training loss.
        probabilities: [epochs, R, E] of the evaluated videos after the epoch: those that choose the epoch, those that
            test, then NaN.
    """

    losses: np.ndarray
    probabilities: np.ndarray


class Progress(NamedTuple):
    """Where training stands: [R, ...] state and history, all on the host, without the padding of devices."""

    state: State
    history: History


def _spread(tree, devices: int):
    """[R, ...] -> [devices, ceil(R / devices), ...]; the last replica is repeated where the division leaves gaps."""

    def leaf(a):
        per_device = -(-len(a) // devices)
        index = np.minimum(np.arange(devices * per_device), len(a) - 1)
        return a[index].reshape(devices, per_device, *a.shape[1:])

    return jax.tree.map(leaf, tree)


def _gather(tree, replicas: int):
    """The inverse of `_spread`, on the host."""
    return jax.tree.map(lambda a: np.asarray(a).reshape(-1, *a.shape[2:])[:replicas], tree)


def _compiled(model, settings: Settings, devices: Sequence[jax.Device]) -> tuple[Callable, Callable, Callable]:
    """`share` videos with all devices, `init` all replicas, `run` an epoch of all replicas."""
    pmap = functools.partial(jax.pmap, devices=devices)
    copy = pmap(lambda device, videos: videos, in_axes=(0, None))
    share = functools.partial(copy, np.arange(len(devices)))
    init = pmap(jax.vmap(functools.partial(_epoch.init, model, settings), in_axes=(0, None)))
    run = jax.vmap(functools.partial(_epoch.run, model, settings), in_axes=(0, 0, None, None))
    return share, init, pmap(run, in_axes=(0, 0, 0, None), donate_argnums=0)


@contextlib.contextmanager
def _polite():
    """Turns a first Ctrl-C or SIGTERM into a wish, so that the epoch under way is not lost; a second one is obeyed."""
    wishes = []

    def wish(number, frame):
        wishes.append(number)
        signal.signal(number, previous[number])
        print("\nstopping after this epoch; once more stops at once", file=sys.stderr)

    previous = {}
    with contextlib.suppress(ValueError):  # signals belong to the main thread
        for number in (signal.SIGINT, signal.SIGTERM):
            previous[number] = signal.signal(number, wish)
    try:
        yield wishes
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _empty(replicas: Sequence[Replica], assignment: Assignment, settings: Settings) -> History:
    shape = (settings.epochs, len(replicas))
    return History(
        np.full(shape, np.nan, np.float32), np.full((*shape, assignment.evaluate.shape[1]), np.nan, np.float32)
    )


def _abstract(model, settings: Settings, assignment: Assignment, videos: Videos) -> State:
    """Shapes and types of the replicas' stacked state."""
    init = jax.vmap(functools.partial(_epoch.init, model, settings), in_axes=(0, None))
    return jax.eval_shape(init, assignment, videos)


def blank(model, settings: Settings, models: int) -> State:
    """Shapes and types of `models` trained models without their optimiser, as `Checkpoints.restore` wants them."""
    video = Videos(*(np.zeros(shape, np.float32) for shape in [(1, 478, 3), (1, 1, 1), (1,), (1,), (1,), (1, 225)]))
    replica = Replica(0, 0, np.arange(1), np.arange(0), np.arange(1))
    state = _abstract(model, settings, assign([replica] * models), video)
    return state._replace(optimizer=())


def train(
    model,
    videos: Videos,
    replicas: Sequence[Replica],
    settings: Settings,
    *,
    checkpoints: Checkpoints | None = None,
    on_epoch: Callable[[int, History], None] = lambda epoch, history: None,
    devices: Sequence[jax.Device] | None = None,
) -> Progress:
    """Trains every replica; what each ends with does not depend on which others train beside it.

    Args:
        model: a Flax module called as `DFuseSmileNet` is.
        videos: from `pack`.
        replicas: R of them.
        settings: the recipe.
        checkpoints: where to save, and where to go on from if there is a checkpoint already.
        on_epoch: called after each epoch (and once before the first) with the number of epochs done and the history.
        devices: default: all local ones.

    Returns:
        The state after the last epoch and the whole history.

    Raises:
        KeyboardInterrupt: after Ctrl-C or SIGTERM, once the epoch under way is done and saved.
    """
    devices = jax.local_devices() if devices is None else list(devices)
    assignment = assign(replicas)
    share, init, run = _compiled(model, settings, devices)
    everywhere, spread = share(videos), _spread(assignment, len(devices))
    done, history = 0, _empty(replicas, assignment, settings)
    if checkpoints is not None and checkpoints.latest is not None:
        like = Progress(_abstract(model, settings, assignment, videos), history)
        done, (state, history) = checkpoints.restore(like)
        state = _spread(state, len(devices))
    else:
        state = init(spread, everywhere)
    on_epoch(done, history)
    with _polite() as wishes:
        for number in range(done, settings.epochs):
            state, losses, probabilities = run(state, spread, everywhere, np.int32(number))
            history.losses[number] = _gather(losses, len(replicas))
            history.probabilities[number] = _gather(probabilities, len(replicas))
            for row, replica in zip(history.probabilities[number], replicas, strict=True):
                row[len(replica.val) + len(replica.test) :] = np.nan  # padding
            done = number + 1
            if checkpoints is not None and (done % checkpoints.every == 0 or done == settings.epochs or wishes):
                checkpoints.save(done, Progress(_gather(state, len(replicas)), history))
            on_epoch(done, history)
            if wishes and done < settings.epochs:
                raise KeyboardInterrupt
    return Progress(_gather(state, len(replicas)), history)

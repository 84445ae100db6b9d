"""All replicas, all epochs: `vmap` over the replicas of a device (see `epoch.beside`), one call of each an epoch."""

import contextlib
import functools
from collections.abc import Callable, Sequence

import jax
import numpy as np

from dfuse_jax.data.folds import Replica
from dfuse_jax.runtime import messages
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.train import epoch as _epoch
from dfuse_jax.train.arrays import Assignment, Videos, assign
from dfuse_jax.train.checkpoint import Checkpoints
from dfuse_jax.train.epoch import Settings, State, beside
from dfuse_jax.train.interrupt import polite
from dfuse_jax.train.passes import History, Layout, Progress, join, passes, put, rows


@functools.lru_cache(maxsize=4)
def _compiled(model, settings: Settings) -> tuple[Callable, Callable]:
    """`init` the replicas of a device, `run` an epoch of them: the same program on every device, however many."""
    init = jax.vmap(functools.partial(_epoch.init, model, settings), in_axes=(0, None))
    run = beside(functools.partial(_epoch.run, model, settings), 2)
    return jax.jit(init), jax.jit(run, donate_argnums=0)


def _abstract(model, settings: Settings, assignment: Assignment, videos: Videos) -> State:
    """Shapes and types of the replicas' stacked state."""
    init = jax.vmap(functools.partial(_epoch.init, model, settings), in_axes=(0, None))
    return jax.eval_shape(init, assignment, videos)


def _trained(state: State) -> State:
    """What the models keep when training is over."""
    return state._replace(optimizer=())


def blank(model, settings: Settings, models: int) -> State:
    """Shapes and types of `models` trained models without their optimiser, as `Checkpoints.restore` wants them."""
    video = Videos(*(np.zeros(shape, np.float32) for shape in [(1, 478, 3), (1, 1, 1), (1,), (1,), (1,), (1, 225)]))
    replica = Replica(0, 0, np.arange(1), np.arange(0), np.arange(1))
    return _trained(_abstract(model, settings, assign([replica] * models), video))


@contextlib.contextmanager
def _fitting(size: int):
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise UserError(
            f"{size} replicas at once do not fit into the devices' memory. "
            "Set --config.train.replicas_per_pass to less, with another --workdir."
        ) from error


def _empty(epochs: int, replicas: int, evaluated: int) -> History:
    losses = np.full((epochs, replicas), np.nan, np.float32)
    return History(losses, np.full((epochs, replicas, evaluated), np.nan, np.float32))


def _restore(checkpoints: Checkpoints | None, number: int, like: State, history: History) -> tuple[int, State | None]:
    """How many epochs of pass `number` are done, and the state after them (if any, and in process 0); fills history."""
    state, epochs = None, len(history.losses)

    def find():
        nonlocal state
        first, last = number * epochs, (number + 1) * epochs
        found = [n for n in checkpoints.numbers if first < n <= last] if checkpoints else []
        if not found:
            return [0, *history]
        shapes = {n: Progress(_trained(like) if n == last else like, history) for n in found}
        done, (state, past) = checkpoints.restore(shapes)
        return [done - first, *past]

    done, *past = messages.by_first(find)
    for a, b in zip(history, past, strict=True):
        a[:] = b
    return done, state


def _save(checkpoints: Checkpoints, number: int, done: int, progress: Progress, size: int) -> None:
    """Checkpoints count the epochs of all passes, and the one at the end of a pass is kept."""
    if messages.first():
        epochs = len(progress.history.losses)
        keep = range(epochs, number * epochs + 1, epochs)
        checkpoints.save(number * epochs + done, progress, keep=keep, facts={"replicas_per_pass": size})


def _record(history: History, epoch: int, replicas: Sequence[Replica], said: Sequence[History]) -> None:
    """Enters what the processes say of their slots in an epoch; replicas and history are those of the pass."""
    losses, probabilities = (np.concatenate(parts) for parts in zip(*said, strict=True))
    history.losses[epoch] = losses[: len(replicas)]
    for row, replica, found in zip(history.probabilities[epoch], replicas, probabilities, strict=False):
        evaluated = len(replica.val) + len(replica.test)  # then padding
        row[:evaluated] = found[:evaluated]


def train(
    model,
    videos: Videos,
    replicas: Sequence[Replica],
    settings: Settings,
    *,
    checkpoints: Checkpoints | None = None,
    on_epoch: Callable[[int, History], None] = lambda epoch, history: None,
    devices: Sequence[jax.Device] | None = None,
    size: int | None = None,
) -> Progress:
    """Trains every replica; what each ends with does not depend on which others train beside it.

    Args:
        model: a Flax module called as `DFuseSmileNet` is.
        videos: from `pack`.
        replicas: R of them.
        settings: the recipe.
        checkpoints: where to save, and where to go on from if there is a checkpoint already. Their numbers count the
            epochs of all passes; the last one of a pass is kept.
        on_epoch: called after each epoch (and once before the first) with the number of epochs done, of all passes, and
            the history.
        devices: of this process, as many as of any other; default: all local ones.
        size: replicas of a pass (see `pass_size`); passes train one after another. Default: all in one.

    Returns:
        The state after the last epoch, without the optimiser's, and the whole history. Of several processes only the
        first has the state; it is None in the others.

    Raises:
        UserError: the checkpoints are of something else, or a pass does not fit the memory.
        KeyboardInterrupt: after Ctrl-C or SIGTERM in any process, once the epoch under way is done and saved.
    """
    devices = tuple(jax.local_devices() if devices is None else devices)
    size, epochs = size or len(replicas), settings.epochs
    assignment, (init, run), layout = assign(replicas), _compiled(model, settings), Layout(devices, size)
    like, history = _abstract(model, settings, assignment, videos), _empty(epochs, *assignment.evaluate.shape)
    trained = jax.tree.map(lambda a: np.empty(a.shape, a.dtype), _trained(like)) if messages.first() else None
    groups, done, left = passes(len(replicas), size), 0, []
    for number, members in enumerate(groups):
        known, state = _restore(checkpoints, number, rows(like, members), history.of(members))
        done += known
        if 0 < known == epochs:
            put(trained, members, state)
        else:
            left.append((number, known, state))
    on_epoch(done, history)
    everywhere = [jax.device_put(videos, device) for device in devices]
    nothing = _empty(0, *assignment.evaluate.shape)  # said where all devices rest
    nothing = History(nothing.losses[:, 0], nothing.probabilities[:, 0])
    with polite() as wishes, _fitting(size):
        while left:
            number, known, state = left.pop(0)
            members = groups[number]
            of_pass, slots, shapes = history.of(members), layout.slots(rows(assignment, members)), rows(like, members)
            states = layout.place(state, shapes) if known else list(map(init, slots, everywhere))
            del state
            for epoch in range(known, epochs):
                found = [run(*of_device, np.int32(epoch)) for of_device in zip(states, slots, everywhere, strict=False)]
                last, done = epoch + 1 == epochs, done + 1
                states = [_trained(state) if last else state for state, *_ in found]
                own = join([History(*said) for _, *said in found], nothing)
                said = messages.exchange([*own, bool(wishes)])
                _record(of_pass, epoch, replicas[members.start : members.stop], [History(*a) for *a, _ in said])
                stop = any(wish for *_, wish in said)
                if checkpoints is not None and ((epoch + 1) % checkpoints.every == 0 or last or stop):
                    kind = _trained(shapes) if last else shapes
                    _save(checkpoints, number, epoch + 1, Progress(layout.gather(states, kind), of_pass), size)
                on_epoch(done, history)
                if stop and done < epochs * len(groups):
                    raise KeyboardInterrupt
            put(trained, members, layout.gather([_trained(state) for state in states], _trained(shapes)))
    return Progress(trained, history)

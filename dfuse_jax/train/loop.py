"""Trains all replicas: pass after pass, and in each pass one compiled call an epoch on every device."""

import dataclasses
import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from dfuse_jax.runtime import messages
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.train import epoch as _epoch
from dfuse_jax.train import memory
from dfuse_jax.train.arrays import Assignment, Inputs, Replica, assign
from dfuse_jax.train.checkpoint import Checkpoints
from dfuse_jax.train.devices import Placement
from dfuse_jax.train.epoch import State
from dfuse_jax.train.interrupt import stop_requested
from dfuse_jax.train.network import Network
from dfuse_jax.train.passes import History, Progress, passes, rows
from dfuse_jax.train.tuning import Settings, Tuning

OnEpoch = Callable[[Progress], None]


def train(
    network: Network,
    inputs: Inputs,
    replicas: Sequence[Replica],
    tuning: Tuning | Sequence[Tuning],
    settings: Settings,
    *,
    checkpoints: Checkpoints | None = None,
    on_epoch: OnEpoch = lambda progress: None,
    devices: Sequence[jax.Device] | None = None,
    size: int | None = None,
) -> tuple[State | None, History]:
    """Trains every replica; what each ends with does not depend on which others train beside it.

    Args:
        network: what is trained.
        inputs: the videos, on the host.
        replicas: R of them.
        tuning: of all replicas, or one for each.
        settings: what they share.
        checkpoints: where to save, and where to go on from if there is a checkpoint already. Their numbers count the
            epochs of all passes; the last one of a pass is kept, without the optimiser's state.
        on_epoch: called after each epoch, and once before the first.
        devices: of this process, as many as of any other; default: all local ones.
        size: replicas of a pass (`pass_size`); passes train one after another. Default: all in one.

    Returns:
        The trained states [R, ...] on the host, without the optimiser's, and the whole history. With `checkpoints` the
        states lie there (`restore_trained`), and None is returned in their place.

    Raises:
        UserError: the checkpoints are of something else or cannot be written, or a pass does not fit the memory.
        KeyboardInterrupt: after Ctrl-C or SIGTERM in any process, once the epoch under way is done and saved.
    """
    if checkpoints is None and messages.size() > 1:
        raise ValueError("several processes need checkpoints: no process holds the states of another.")
    assignment = assign(replicas, tuning)
    run = _Run(
        network=network,
        settings=settings,
        placement=_place(jax.local_devices() if devices is None else devices, size or len(replicas)),
        shapes=state_shapes(network, settings, assignment, inputs),
        size=size or len(replicas),
    )
    history = History.empty(settings.epochs, *assignment.evaluate.shape)
    groups = [
        _Pass(number, members, list(replicas[members.start : members.stop]), history.of(members))
        for number, members in enumerate(passes(len(replicas), run.size))
    ]
    if checkpoints is not None:
        for group in groups:
            run.resume(group, checkpoints)

    def report() -> Progress:
        progress = Progress(
            done=sum(group.done for group in groups),
            epochs=settings.epochs,
            groups=[group.members for group in groups],
            history=history,
        )
        on_epoch(progress)
        return progress

    report()
    states = []
    with stop_requested() as stopping, memory.explained(run.size):
        inputs = run.placement.replicate(inputs)
        for group in groups:
            if group.done == settings.epochs and checkpoints is not None:
                continue
            slots = run.placement.spread(rows(assignment, group.members))
            state = run.begin(group, slots, inputs)
            while group.done < settings.epochs:
                state, losses, probabilities = run.epoch(state, slots, inputs, group.done)
                stop = group.record(messages.exchange([losses, probabilities, stopping()]))
                if checkpoints is not None:
                    last = group.done == settings.epochs
                    if last or stop or group.done % checkpoints.every == 0:
                        state = run.save(group, state, checkpoints)
                progress = report()
                if stop and progress.done < progress.total:
                    raise KeyboardInterrupt
            if checkpoints is None:
                states.append(rows(run.placement.fetch(state.trained()), range(len(group.replicas))))
    if checkpoints is not None:
        return None, history
    return jax.tree.map(lambda *parts: np.concatenate(parts), *states), history


def restore_trained(
    network: Network,
    settings: Settings,
    inputs: Inputs,
    checkpoints: Checkpoints,
    *,
    replicas: int,
) -> State:
    """Reads the first of the trained replicas from the checkpoints of a finished training.

    Args:
        network: that was trained.
        settings: of the training.
        inputs: any of the kind that it was trained on; only shapes and types matter.
        checkpoints: of the training.
        replicas: how many are wanted.

    Returns:
        Their states [replicas, ...] on the first local device, without the optimiser's.

    Raises:
        UserError: the training is not finished, its checkpoints are damaged, or they are of another network.
    """
    size = checkpoints.description.get("replicas_per_pass")
    shapes = trained_shapes(network, settings, inputs)
    states = []
    for number, members in enumerate(passes(replicas, size or 1), 1):
        placement = _place(jax.local_devices()[:1], len(members))
        number *= settings.epochs
        restored = None
        if number in checkpoints.numbers:
            restored = checkpoints.restore(number, state=jax.tree.map(placement.global_shape, shapes))
        if restored is None:
            raise UserError(
                f"{checkpoints.directory}: checkpoint {number} is missing or damaged. Delete what is left of it "
                "and train again: only its pass is repeated.",
                remedy="train_again",
            )
        states.append(restored[0])
    return jax.tree.map(lambda *parts: jnp.concatenate(parts), *states)


def trained_shapes(network: Network, settings: Settings, inputs: Inputs) -> State:
    """Returns the shapes and types of what is kept of one replica when training is over.

    Args:
        network: that is trained.
        settings: of the training.
        inputs: any of the kind that it is trained on; only shapes and types matter.
    """
    example = Replica(run=0, fold=0, train=np.arange(1), val=np.arange(0), test=np.arange(1))
    return state_shapes(network, settings, assign([example], Tuning()), inputs).trained()


def state_shapes(network: Network, settings: Settings, assignment: Assignment, inputs: Inputs) -> State:
    """Returns the shapes and types of one replica's state."""
    replica = jax.tree.map(lambda x: x[0], assignment)
    return jax.eval_shape(functools.partial(_epoch.initialise, network, settings), replica, inputs)


@dataclasses.dataclass
class _Pass:
    """The replicas that train together, and how far they are.

    Attributes:
        number: of the pass, from 0.
        members: which replicas of all.
        replicas: these.
        history: of these.
        done: epochs that they have trained.
        state: after these epochs, in the slots of this process; None: they begin anew, or are finished.
    """

    number: int
    members: range
    replicas: list[Replica]
    history: History
    done: int = 0
    state: State | None = None

    def record(self, results: list) -> bool:
        """Enters what all processes give of an epoch; returns whether one of them was asked to stop."""
        losses, probabilities, stop = zip(*results, strict=True)
        self.history.record(self.done, self.replicas, np.concatenate(losses), np.concatenate(probabilities))
        self.done += 1
        return any(stop)


@dataclasses.dataclass(frozen=True)
class _Run:
    """What all passes share."""

    network: Network
    settings: Settings
    placement: Placement
    shapes: State  # of one replica
    size: int  # replicas of a pass

    def resume(self, group: _Pass, checkpoints: Checkpoints) -> None:
        """Takes a pass as far as its newest checkpoint that all processes can read."""
        first = group.number * self.settings.epochs
        last = first + self.settings.epochs
        numbers = messages.by_first(lambda: checkpoints.numbers)
        candidates = [number for number in numbers if first < number <= last]
        state = jax.tree.map(self.placement.global_shape, self.shapes)
        for number in reversed(candidates):
            wanted = None if number == last else state  # finished passes need not be read to the end
            restored = checkpoints.restore(number, state=wanted, history=group.history)
            if all(messages.exchange(restored is not None)) and restored is not None:
                saved, history = restored
                group.history.losses[:] = history.losses
                group.history.probabilities[:] = history.probabilities
                group.done = number - first
                group.state = None if saved is None else self.placement.split(saved)
                return
        if candidates:
            raise UserError(
                f"{checkpoints.directory}: all checkpoints are damaged ({', '.join(map(str, candidates))}). "
                "Delete these folders to train what they hold from its beginning."
            )

    def begin(self, group: _Pass, slots: Assignment, inputs: Inputs) -> State:
        """Returns the state from which a pass goes on, and leaves it to the caller."""
        state, group.state = group.state, None
        return self._initialise(slots, inputs) if state is None else state

    def epoch(
        self, state: State, slots: Assignment, inputs: Inputs, number: int
    ) -> tuple[State, np.ndarray, np.ndarray]:
        """Trains and evaluates all slots for one epoch: the new state, and losses and probabilities on the host."""
        last = np.bool_(number + 1 == self.settings.epochs)
        epoch, last = self.placement.replicate((np.int32(number), last))
        with jax.transfer_guard("disallow"):  # everything that an epoch needs is on the devices
            state, losses, probabilities = self._run_epoch(state, slots, inputs, epoch, last)
            return state, *self.placement.fetch((losses, probabilities))

    def save(self, group: _Pass, state: State, checkpoints: Checkpoints) -> State:
        """Saves a pass and returns its state again; after the last epoch without the optimiser's."""
        epochs = self.settings.epochs
        finished = group.done == epochs
        joined = self.placement.join(state.trained() if finished else state)
        checkpoints.save(
            group.number * epochs + group.done,
            joined,
            group.history,
            keep=range(epochs, group.number * epochs + 1, epochs),
            description={"replicas_per_pass": self.size},
        )
        return self.placement.split(joined)

    @property
    def _initialise(self) -> Callable:
        return _programs(self.network, self.settings, self.placement)[0]

    @property
    def _run_epoch(self) -> Callable:
        return _programs(self.network, self.settings, self.placement)[1]


@functools.lru_cache(maxsize=4)
def _programs(network: Network, settings: Settings, placement: Placement) -> tuple[Callable, Callable]:
    """Returns what initialises the replicas in their slots, and what runs an epoch of them."""
    platform = placement.devices[0].platform
    initialise = functools.partial(_epoch.initialise, network, settings)
    run_epoch = functools.partial(_epoch.run_epoch, network, settings)
    return (
        placement.map(jax.vmap(initialise, in_axes=(0, None)), in_axes=(0, None)),
        placement.map(
            _epoch.over_replicas(run_epoch, stacked=2, platform=platform), in_axes=(0, 0, None, None, None), donate=(0,)
        ),
    )


def _place(devices: Sequence[jax.Device], size: int) -> Placement:
    """Returns the slots of a pass of `size` replicas; a single process leaves devices unused that would have none."""
    processes = messages.size()
    devices = tuple(devices) if processes > 1 else tuple(devices)[:size]
    slots = -(-size // (len(devices) * processes))
    return Placement(devices, slots, process=messages.rank(), processes=processes)

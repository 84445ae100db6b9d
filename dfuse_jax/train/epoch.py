"""One epoch of one replica as pure functions: draw clips, take the training steps, evaluate."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax, random
from jaxtyping import Array, Bool, Float, Int

from dfuse_jax.train.arrays import Assignment, Inputs
from dfuse_jax.train.network import Network
from dfuse_jax.train.tuning import AnyArray, Settings, keep_unless, random_key

# What a replica's random keys are for.
_INITIALISE, _TRAIN, _EVALUATE = range(3)


class State(NamedTuple):
    """What a replica has learnt so far.

    Attributes:
        params: of the network.
        collections: the network's other variables, such as {"batch_stats": ...}.
        optimizer: its state; () once training is over.
        mean: tree of the features' means over the replica's own training videos, as `Inputs.per_video`.
        std: their standard deviations, 1 for a feature that never varies.
    """

    params: Any
    collections: dict[str, Any]
    optimizer: Any
    mean: Any
    std: Any

    def trained(self) -> "State":
        """Returns what is kept when training is over: everything but the optimiser."""
        return self._replace(optimizer=())

    def standardise(self, per_video: Any) -> Any:
        """Returns features [..., n] on the scale of the replica's training videos."""
        return jax.tree.map(lambda x, mean, std: (x - mean) / std, per_video, self.mean, self.std)

    def variables(self) -> dict[str, Any]:
        """Returns the network's variables."""
        return {"params": self.params, **self.collections}


def initialise(network: Network, settings: Settings, replica: Assignment, inputs: Inputs) -> State:
    """Returns a replica before its first step."""
    clip = jax.tree.map(lambda x: jnp.zeros((1, settings.clip_frames, *x.shape[1:]), x.dtype), inputs.per_frame)
    video = jax.tree.map(lambda x: jnp.zeros((1, *x.shape[1:]), x.dtype), inputs.per_video)
    collections = dict(network.init(_key(replica, _INITIALISE), clip, video))
    params = collections.pop("params")
    own = jax.tree.map(lambda x: x[replica.train], inputs.per_video)
    mean = jax.tree.map(lambda x: _mean(x, replica.train_size), own)
    return State(
        params=params,
        collections=collections,
        optimizer=settings.optimizer.transformation(replica.tuning.weight_decay).init(params),
        mean=mean,
        std=jax.tree.map(lambda x, mean: _std(x, mean, replica.train_size), own, mean),
    )


def run_epoch(
    network: Network,
    settings: Settings,
    state: State,
    replica: Assignment,
    inputs: Inputs,
    epoch: Int[AnyArray, ""],
    last: Bool[AnyArray, ""],
) -> tuple[State, Float[Array, ""], Float[Array, " evaluate"]]:
    """Trains and evaluates a replica for one epoch.

    Which epoch is the last one is traced: trainings of more or fewer epochs share a compiled program.

    Returns:
        The new state, the mean training loss, and the probability of each evaluated video after the epoch.
    """
    state, loss = train_epoch(network, settings, state, replica, inputs, epoch, last)
    key = _key(replica, _EVALUATE, epoch)
    return state, loss, predict(network, settings, state, inputs, replica.evaluate, key)


def steps_per_epoch(train_size: Int[AnyArray, ""], batch_size: int) -> Int[AnyArray, ""]:
    """Returns the training steps of an epoch: whole batches, or one where there are fewer videos than in a batch."""
    return jnp.maximum(train_size // batch_size, 1)


def train_epoch(
    network: Network,
    settings: Settings,
    state: State,
    replica: Assignment,
    inputs: Inputs,
    epoch: Int[AnyArray, ""],
    last: Bool[AnyArray, ""],
) -> tuple[State, Float[Array, ""]]:
    """Takes all training steps of an epoch; returns the new state and the mean loss."""
    shuffle_key, steps_key = random.split(_key(replica, _TRAIN, epoch))
    order = _shuffled(replica, shuffle_key)
    own_steps = steps_per_epoch(replica.train_size, settings.batch_size)
    factor = jnp.where(last, replica.tuning.last_epoch_factor, 1.0)

    def take_step(state: State, number: Int[AnyArray, ""]):
        # Where there are fewer videos than in a batch, some come twice, each time with a window of its own.
        slot = number * settings.batch_size + jnp.arange(settings.batch_size)
        video = order[slot % replica.train_size]
        schedule = settings.optimizer.schedule(epoch, number / own_steps)
        rate = replica.tuning.learning_rate * factor * schedule
        key = random.fold_in(steps_key, number)
        pending = number < own_steps  # a replica with fewer videos than the longest is done earlier
        return _step(network, settings, state, replica, inputs, video, rate=rate, key=key, pending=pending)

    longest = max(replica.train.shape[0] // settings.batch_size, 1)
    state, losses = lax.scan(take_step, state, jnp.arange(longest))
    return state, jnp.sum(losses) / own_steps


def predict(
    network: Network,
    settings: Settings,
    state: State,
    inputs: Inputs,
    video: Int[AnyArray, " evaluate"],
    key: Array,
) -> Float[Array, " evaluate"]:
    """Returns the probability that each video is spontaneous: the mean over `eval_windows` random clips."""

    def evaluate(batch: tuple[Array, Array]) -> Float[Array, " batch"]:
        video, start = batch
        clip = clips(inputs, video, start, settings.clip_frames)
        features = state.standardise(jax.tree.map(lambda x: x[video], inputs.per_video))
        outputs = network.apply(state.variables(), clip, features, train=False, dropout=0.0, rngs=None, mutable=False)
        return jax.nn.sigmoid(outputs.logits)

    start = draw_windows(settings, inputs.length[video], video, key)
    video = jnp.broadcast_to(video[:, None], start.shape)
    size = min(settings.batch_size, start.size)
    batches = -(-start.size // size)
    padded = [jnp.resize(x, (batches, size)) for x in (video, start)]  # the last one with repeats
    probabilities = lax.map(evaluate, padded).reshape(-1)[: start.size]
    return jnp.mean(probabilities.reshape(start.shape), axis=1)


def draw_windows(
    settings: Settings, length: Int[AnyArray, " videos"], video: Int[AnyArray, " videos"], key: Array
) -> Int[Array, "videos windows"]:
    """Returns the frames at which the `eval_windows` random clips of each video begin.

    Args:
        settings: for their number and length.
        length: of each video, frames.
        video: the videos' numbers, from which, with the key, the windows follow.
        key: random.
    """

    def draw(video: Int[AnyArray, ""], length: Int[AnyArray, ""]) -> Int[Array, " windows"]:
        shape = (settings.eval_windows,)
        return random.randint(random.fold_in(key, video), shape, 0, _slack(length, settings.clip_frames) + 1)

    return jax.vmap(draw)(video, length)


def clips(inputs: Inputs, video: Int[AnyArray, " batch"], start: Int[Array, " batch"], frames: int) -> Any:
    """Returns `frames` frames of each video from `start` on: the tree `per_frame` with leaves [B, frames, ...]."""
    frame = start[:, None] + jnp.arange(frames)
    inside = frame < inputs.length[video][:, None]
    zeros = jax.tree.leaves(inputs.per_frame)[0].shape[0] - 1
    index = jnp.where(inside, inputs.first[video][:, None] + frame, zeros)
    return jax.tree.map(lambda x: x[index], inputs.per_frame)


def over_replicas(function: Callable, *, stacked: int, platform: str) -> Callable:
    """Maps a function of one replica over the replicas of a device.

    It is `vmap`, but on a CPU the replicas are computed one after another: larger products gain nothing there, the
    caches hold one replica's step, and so its numbers are the same to the bit whoever trains beside it.

    Args:
        function: of one replica.
        stacked: how many of its first arguments, and all its results, get an axis [R]; the others are shared.
        platform: of the device.
    """

    def mapped(*arguments):
        own, shared = arguments[:stacked], arguments[stacked:]
        if platform == "cpu":
            return lax.map(lambda one: function(*one, *shared), own)
        return jax.vmap(lambda *one: function(*one, *shared))(*own)

    return mapped


def _key(replica: Assignment, purpose: int, *numbers: Int[AnyArray, ""]) -> Array:
    return random_key(replica.tuning, replica.run, replica.fold, replica.validated, purpose, *numbers)


def _mean(x: Float[Array, "train ..."], size: Int[AnyArray, ""]) -> Float[Array, "..."]:
    """Returns the mean of the first `size` rows."""
    counts = jnp.arange(x.shape[0]) < size
    return jnp.tensordot(counts / size, x, 1)


def _std(x: Float[Array, "train ..."], mean: Float[Array, "..."], size: Int[AnyArray, ""]) -> Float[Array, "..."]:
    """Returns the standard deviation of the first `size` rows; 1 where they do not vary."""
    std = jnp.sqrt(_mean((x - mean) ** 2, size))
    return jnp.where(std > 1e-6 * jnp.abs(mean), std, 1)


def _shuffled(replica: Assignment, key: Array) -> Int[Array, " train"]:
    """Returns the training videos in random order, the padding last."""
    # A number is drawn for each video, not for each place, so the order does not depend on the padding.
    draw = jax.vmap(lambda video: random.uniform(random.fold_in(key, video)))(replica.train)
    counts = jnp.arange(draw.shape[0]) < replica.train_size
    return replica.train[jnp.argsort(jnp.where(counts, draw, jnp.inf))]


def class_weight(replica: Assignment, inputs: Inputs, video: Int[AnyArray, " batch"]) -> Float[Array, " batch"]:
    """Returns half the inverse of the share of each video's class among the training videos."""
    label = _labels(replica, inputs)
    spontaneous = _mean(label[replica.train], replica.train_size)
    share = jnp.where(label[video] > 0.5, spontaneous, 1 - spontaneous)
    return 0.5 / share


def _labels(replica: Assignment, inputs: Inputs) -> Float[AnyArray, " videos"]:
    """Returns the labels of all videos in a replica."""
    return inputs.label if replica.label is None else replica.label


def _slack(length: AnyArray, frames: int) -> Array:
    """Returns by how many frames a clip can be moved within its video."""
    return jnp.maximum(length - frames, 0)


def loss_and_gradient(
    network: Network,
    settings: Settings,
    state: State,
    replica: Assignment,
    inputs: Inputs,
    video: Int[AnyArray, " batch"],
    key: Array,
) -> tuple[Float[Array, ""], Any, dict[str, Any]]:
    """Returns loss, gradient and the network's new collections on one random clip of each video."""
    window_key, dropout_key = random.split(key)
    start = random.randint(window_key, video.shape, 0, _slack(inputs.length[video], settings.clip_frames) + 1)
    clip = clips(inputs, video, start, settings.clip_frames)
    features = state.standardise(jax.tree.map(lambda x: x[video], inputs.per_video))

    def loss_of(params):
        outputs, collections = network.apply(
            {"params": params, **state.collections},
            clip,
            features,
            train=True,
            dropout=replica.tuning.dropout,
            rngs={"dropout": dropout_key},
            mutable=list(state.collections),
        )
        options = {"weight": class_weight(replica, inputs, video)} if settings.class_weights else {}
        return network.loss(outputs, _labels(replica, inputs)[video], features, params, **options), collections

    (loss, collections), gradient = jax.value_and_grad(loss_of, has_aux=True)(state.params)
    return loss, gradient, dict(collections)


def _step(network, settings, state, replica, inputs, video, *, rate, key, pending) -> tuple[State, Float[Array, ""]]:
    """Takes a training step, if pending, on one random clip of each video [B]; returns the state and the loss."""
    loss, gradient, collections = loss_and_gradient(network, settings, state, replica, inputs, video, key)
    with jax.named_scope("optimizer"):
        params, optimizer = settings.optimizer.step(
            gradient,
            state.optimizer,
            state.params,
            rate=rate,
            weight_decay=replica.tuning.weight_decay,
            pending=pending,
        )
        collections = keep_unless(pending, collections, state.collections)
    return state._replace(params=params, collections=collections, optimizer=optimizer), jnp.where(pending, loss, 0)

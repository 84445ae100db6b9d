"""One epoch of one replica as a pure function: draw windows, take the steps, evaluate."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array, lax, random

from dfuse_jax.train.arrays import Assignment, Videos


@dataclasses.dataclass(frozen=True)
class Settings:
    """How replicas are trained (paper section 4.1).

    Attributes:
        epochs: how many; the last one's learning rate is `learning_rate * last_epoch_factor`.
        batch_size: clips a step; the incomplete last batch of an epoch is dropped.
        clip_frames: consecutive frames of a clip.
        eval_windows: random clips of a video whose probabilities are averaged in evaluation.
        seed: all random keys derive from it, the run, the fold, the kind of replica and the epoch.
    """

    epochs: int = 300
    batch_size: int = 16
    learning_rate: float = 5e-4
    last_epoch_factor: float = 0.1
    weight_decay: float = 0.0
    clip_frames: int = 16
    eval_windows: int = 5
    seed: int = 0


class State(NamedTuple):
    """A replica: what it has learnt, and how it standardises D-Markers (by its own training videos only)."""

    params: Any
    batch_stats: Any
    optimizer: Any
    dmarkers_mean: Array
    dmarkers_std: Array


def steps(train_size, batch_size: int):
    """Steps of an epoch: whole batches, or one where there are fewer videos than that (some then come twice)."""
    return jnp.maximum(train_size // batch_size, 1)


def key(replica: Assignment, settings: Settings, purpose: int) -> Array:
    """The replica's random key, independent of who trains beside it."""
    result = random.key(settings.seed)
    for number in (replica.run, replica.fold, replica.validated, purpose):
        result = random.fold_in(result, number)
    return result


def optimizer(settings: Settings) -> optax.GradientTransformation:
    """AdamW without its learning rate, which an epoch multiplies in."""
    return optax.chain(optax.scale_by_adam(), optax.add_decayed_weights(settings.weight_decay))


def clips(videos: Videos, video: Array, start: Array, frames: int) -> tuple[Array, Array]:
    """`frames` frames of each video [B] from `start` [B] on: [B, frames, N, 3], and their points' neighbours."""
    frame = start[:, None] + jnp.arange(frames)
    last = videos.frames.shape[0] - 1
    index = jnp.where(frame < videos.length[video][:, None], videos.first[video][:, None] + frame, last)
    return videos.frames[index], videos.neighbours[index]


def init(model, settings: Settings, replica: Assignment, videos: Videos) -> State:
    """A replica before its first step."""
    clip = jnp.zeros((1, settings.clip_frames, *videos.frames.shape[1:]))
    variables = model.init(key(replica, settings, 0), clip, jnp.zeros((1, videos.dmarkers.shape[1])))
    weight = (jnp.arange(replica.train.shape[0]) < replica.train_size)[:, None] / replica.train_size
    seen = videos.dmarkers[replica.train]
    mean = jnp.sum(weight * seen, axis=0)
    std = jnp.sqrt(jnp.sum(weight * (seen - mean) ** 2, axis=0))
    return State(
        params=variables["params"],
        batch_stats=variables["batch_stats"],
        optimizer=optimizer(settings).init(variables["params"]),
        dmarkers_mean=mean,
        dmarkers_std=jnp.where(std > 1e-6 * jnp.abs(mean), std, 1),  # a feature that never varies stays 0
    )


def standardise(state: State, dmarkers: Array) -> Array:
    """D-Markers [..., 225] on the scale of the replica's training videos."""
    return (dmarkers - state.dmarkers_mean) / state.dmarkers_std


def _step(model, settings: Settings, state: State, videos: Videos, video: Array, rate: Array, step_key: Array):
    """One update on one clip of each video [B]: the new state and the loss."""
    window_key, dropout_key = random.split(step_key)
    slack = jnp.maximum(videos.length[video] - settings.clip_frames, 0)
    start = random.randint(window_key, video.shape, 0, slack + 1)
    landmarks, neighbours = clips(videos, video, start, settings.clip_frames)
    dmarkers = standardise(state, videos.dmarkers[video])

    def loss(params):
        logits, changed = model.apply(
            {"params": params, "batch_stats": state.batch_stats},
            landmarks,
            dmarkers,
            train=True,
            neighbours=neighbours,
            rngs={"dropout": dropout_key},
            mutable=["batch_stats"],
        )
        return jnp.mean(optax.sigmoid_binary_cross_entropy(logits, videos.label[video])), changed["batch_stats"]

    (value, batch_stats), gradient = jax.value_and_grad(loss, has_aux=True)(state.params)
    direction, optimizer_state = optimizer(settings).update(gradient, state.optimizer, state.params)
    params = optax.apply_updates(state.params, jax.tree.map(lambda d: -rate * d, direction))
    return state._replace(params=params, batch_stats=batch_stats, optimizer=optimizer_state), value


def fit(model, settings: Settings, state: State, replica: Assignment, videos: Videos, epoch: Array):
    """All training steps of an epoch: the new state and the mean loss."""
    epoch_key = random.fold_in(key(replica, settings, 1), epoch)
    shuffle_key, steps_key = random.split(epoch_key)
    # A number drawn per video, not per slot: the order does not depend on how far the replica is padded.
    draw = jax.vmap(lambda video: random.uniform(random.fold_in(shuffle_key, video)))(replica.train)
    real = jnp.arange(draw.shape[0]) < replica.train_size
    order = replica.train[jnp.argsort(jnp.where(real, draw, jnp.inf))]
    rate = settings.learning_rate * jnp.where(epoch == settings.epochs - 1, settings.last_epoch_factor, 1.0)
    own_steps = steps(replica.train_size, settings.batch_size)

    def body(state, number):
        slot = number * settings.batch_size + jnp.arange(settings.batch_size)
        video = order[slot % replica.train_size]
        new, loss = _step(model, settings, state, videos, video, rate, random.fold_in(steps_key, number))
        mine = number < own_steps  # a smaller fold has had all its batches already
        return jax.tree.map(lambda a, b: jnp.where(mine, a, b), new, state), jnp.where(mine, loss, 0)

    longest = max(replica.train.shape[0] // settings.batch_size, 1)
    state, losses = lax.scan(body, state, jnp.arange(longest))
    return state, jnp.sum(losses) / own_steps


def predict(model, settings: Settings, state: State, videos: Videos, video: Array, windows_key: Array) -> Array:
    """Probability that each video [E] is spontaneous: the mean over `eval_windows` random clips."""

    def draw(one):
        slack = jnp.maximum(videos.length[one] - settings.clip_frames, 0)
        return random.randint(random.fold_in(windows_key, one), (settings.eval_windows,), 0, slack + 1)

    def probabilities(some):
        which, start = some
        landmarks, neighbours = clips(videos, which, start, settings.clip_frames)
        variables = {"params": state.params, "batch_stats": state.batch_stats}
        dmarkers = standardise(state, videos.dmarkers[which])
        return jax.nn.sigmoid(model.apply(variables, landmarks, dmarkers, neighbours=neighbours))

    start = jax.vmap(draw)(video)
    which = jnp.broadcast_to(video[:, None], start.shape)
    batches = -(-start.size // settings.batch_size)
    padded = [jnp.resize(a, (batches, settings.batch_size)) for a in (which, start)]  # the last batch: with repeats
    each = lax.map(probabilities, padded).reshape(-1)[: start.size]
    return jnp.mean(each.reshape(start.shape), axis=1)


def run(model, settings: Settings, state: State, replica: Assignment, videos: Videos, epoch: Array):
    """One epoch: the new state, the mean training loss [], and the evaluated videos' probabilities [E] after it."""
    state, loss = fit(model, settings, state, replica, videos, epoch)
    windows_key = random.fold_in(key(replica, settings, 2), epoch)
    return state, loss, predict(model, settings, state, videos, replica.evaluate, windows_key)


def beside(f: Callable, stacked: int) -> Callable:
    """f of one replica as that of all on a device: its first `stacked` arguments get, as its results, an axis [R].

    It is `vmap`, but on a CPU one after another: that gains nothing from larger products, its caches hold one replica's
    step, and so a replica's numbers are the same to the bit whoever trains beside it.
    """

    def of_all(*arguments):
        shared = arguments[stacked:]
        if jax.default_backend() == "cpu":
            return lax.map(lambda own: f(*own, *shared), arguments[:stacked])
        return jax.vmap(lambda *own: f(*own, *shared))(*arguments[:stacked])

    return of_all

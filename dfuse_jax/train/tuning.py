"""How replicas are trained: what is compiled in (`Settings`), and what may differ between replicas (`Tuning`)."""

import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int

OPTIMIZERS = ("adamw", "sgd")
AnyArray = Array | np.ndarray  # on a device or on the host


class Tuning(NamedTuple):
    """The settings of one replica that are traced, so that a grid of them is an axis of replicas in one program.

    The defaults are the paper's (section 4.1).

    Attributes:
        learning_rate: of the optimiser.
        last_epoch_factor: by which the learning rate is multiplied in the last epoch.
        weight_decay: of the optimiser.
        dropout: rate at which a network drops, everywhere; a network without dropout ignores it.
        seed: all random keys derive from it, the run, the fold, the kind of replica and the epoch.
    """

    learning_rate: Float[AnyArray, ""] | float = 5e-4
    last_epoch_factor: Float[AnyArray, ""] | float = 0.1
    weight_decay: Float[AnyArray, ""] | float = 0.0
    dropout: Float[AnyArray, ""] | float = 0.1
    seed: Int[AnyArray, ""] | int = 0

    @staticmethod
    def stack(each: "Sequence[Tuning]") -> "Tuning":
        """Stacks the tunings of R replicas: arrays [R] on the host, in JAX's default precision."""
        precision = jnp.result_type(float)
        return Tuning(
            learning_rate=np.array([tuning.learning_rate for tuning in each], precision),
            last_epoch_factor=np.array([tuning.last_epoch_factor for tuning in each], precision),
            weight_decay=np.array([tuning.weight_decay for tuning in each], precision),
            dropout=np.array([tuning.dropout for tuning in each], precision),
            seed=np.array([tuning.seed for tuning in each], np.uint32),
        )


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """An optimiser and the schedule of its learning rate.

    Attributes:
        name: "adamw", or "sgd" with momentum, whose weight decay is part of the gradient.
        momentum: of "sgd".
        warmup_epochs: over which the rate rises linearly, step by step, from `warmup_factor` of itself.
        warmup_factor: see `warmup_epochs`.
        milestones: epochs from which on the rate is multiplied by `milestone_factor`, once more at each.
        milestone_factor: see `milestones`.
        fused: whether "adamw" updates all parameters in a few kernels, as a GPU best does.
    """

    name: str = "adamw"
    momentum: float = 0.9
    warmup_epochs: int = 0
    warmup_factor: float = 1e-5
    milestones: tuple[int, ...] = ()
    milestone_factor: float = 0.1
    fused: bool = False

    def __post_init__(self):
        if self.name not in OPTIMIZERS:
            raise ValueError(f"unknown optimizer {self.name!r}; known: {', '.join(OPTIMIZERS)}.")

    def transformation(self, weight_decay: Float[AnyArray, ""] | float) -> optax.GradientTransformation:
        """Returns the optimiser without its learning rate, which every step multiplies in."""
        decay = optax.add_decayed_weights(jnp.asarray(weight_decay))
        if self.name == "sgd":
            return optax.chain(decay, optax.trace(decay=self.momentum))
        return optax.chain(optax.scale_by_adam(), decay)

    def step(
        self,
        gradient: Any,
        state: Any,
        params: Any,
        *,
        rate: Float[Array, ""],
        weight_decay: Float[Array, ""],
        pending: Bool[Array, ""],
    ) -> tuple[Any, Any]:
        """Takes a step, or none.

        Args:
            gradient: of the parameters.
            state: of the optimiser, as `transformation` initialises it.
            params: the parameters.
            rate: learning rate.
            weight_decay: as for `transformation`.
            pending: whether there is a step to take; if not, nothing changes.

        Returns:
            The new parameters and the new state.
        """
        if self.fused and self.name == "adamw":
            from dfuse_jax.train import adamw  # imports Pallas, which no CPU needs

            adam, decay = state
            params, adam = adamw.update(gradient, adam, params, rate=rate, weight_decay=weight_decay, pending=pending)
            return params, (adam, decay)
        direction, stepped = self.transformation(weight_decay).update(gradient, state, params)
        moved = optax.apply_updates(params, jax.tree.map(lambda x: -rate * x, direction))
        return keep_unless(pending, (moved, stepped), (params, state))

    def schedule(self, epoch: Int[AnyArray, ""], progress: Float[AnyArray, ""] | float) -> Float[Array, ""]:
        """Returns the factor of the learning rate, `progress` (0 to 1) of the way through an epoch (counted from 0)."""
        passed = jnp.sum(epoch >= jnp.array(self.milestones, int))
        factor = jnp.asarray(self.milestone_factor, float) ** passed
        if self.warmup_epochs == 0:
            return factor
        share = jnp.clip((epoch + progress) / self.warmup_epochs, 0, 1)
        return factor * (self.warmup_factor + (1 - self.warmup_factor) * share)


@dataclasses.dataclass(frozen=True)
class Settings:
    """What all replicas share, and what the compiled program depends on (paper section 4.1).

    Attributes:
        epochs: how many.
        batch_size: clips in a step; the incomplete last batch of an epoch is dropped.
        clip_frames: consecutive frames in a clip.
        eval_windows: random clips of a video whose probabilities are averaged in evaluation.
        optimizer: which one, and its schedule.
        class_weights: whether each class counts by the inverse of its number of training videos.
    """

    epochs: int = 300
    batch_size: int = 16
    clip_frames: int = 16
    eval_windows: int = 5
    optimizer: Optimizer = Optimizer()
    class_weights: bool = False


def keep_unless(pending: Bool[Array, ""], new: Any, old: Any) -> Any:
    """Returns a new tree where something was pending, else the old one."""
    return jax.tree.map(lambda new, old: jnp.where(pending, new, old), new, old)


def random_key(tuning: Tuning, *numbers: Int[AnyArray, ""] | int) -> jax.Array:
    """Returns the random key of a replica for a purpose, told apart by numbers, whoever trains beside it."""
    key = jax.random.key(tuning.seed)
    for number in numbers:
        key = jax.random.fold_in(key, number)
    return key

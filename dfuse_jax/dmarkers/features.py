"""Table 2: 25 values that describe one signal in one phase."""

import jax.numpy as jnp
from jax import Array

from dfuse_jax.dmarkers.phases import PHASES
from dfuse_jax.dmarkers.pose import ratio
from dfuse_jax.dmarkers.signals import REGIONS

_BOTH = ("increasing", "decreasing")
VALUES = (
    *(f"duration_{way}" for way in _BOTH),
    "duration",
    *(f"duration_ratio_{way}" for way in _BOTH),
    "amplitude_max",
    "amplitude_mean",
    *(f"amplitude_mean_{way}" for way in _BOTH),
    "amplitude_std",
    *(f"amplitude_total_{way}" for way in _BOTH),
    "amplitude_net",
    *(f"amplitude_ratio_{way}" for way in _BOTH),
    *(f"speed_max_{way}" for way in _BOTH),
    *(f"speed_mean_{way}" for way in _BOTH),
    *(f"acceleration_max_{way}" for way in _BOTH),
    *(f"acceleration_mean_{way}" for way in _BOTH),
    "amplitude_duration_ratio",
    "amplitude_difference",
)
FEATURE_NAMES = tuple(f"{region}_{phase}_{value}" for region in REGIONS for phase in PHASES for value in VALUES)


def _count(where: Array, dtype) -> Array:
    return jnp.sum(where, dtype=dtype)


def _total(x: Array, where: Array) -> Array:
    return jnp.sum(jnp.where(where, x, 0))


def _mean(x: Array, where: Array) -> Array:
    return ratio(_total(x, where), _count(where, x.dtype))


def _max(x: Array, where: Array) -> Array:
    return jnp.where(jnp.any(where), jnp.max(jnp.where(where, x, -jnp.inf)), 0)


def _std(x: Array, where: Array) -> Array:
    variance = _mean((x - _mean(x, where)) ** 2, where)
    return jnp.where(variance > 0, jnp.sqrt(jnp.where(variance > 0, variance, 1)), 0)


def describe(signal: Array, right: Array, left: Array, phase: Array, fps: Array, *, authors: bool = False) -> Array:
    """The 25 values of Table 2, in the order of VALUES: [25].

    Args:
        signal: [T], D.
        right: [T], D_R.
        left: [T], D_L.
        phase: [T], the frames of the phase (a run without holes).
        fps: omega, frames per second.
        authors: the published code's values 9 (signed), 24 (without omega) and 25 (always 0).

    Returns:
        Durations in seconds, speeds per second, accelerations per second squared; 0 wherever a set is empty.
    """
    within = phase & jnp.roll(phase, 1).at[0].set(False)  # both ends of the step into t lie in the phase
    speed = fps * jnp.diff(signal, prepend=signal[:1])
    twice = within & jnp.roll(within, 1).at[0].set(False)
    acceleration = fps * jnp.diff(speed, prepend=speed[:1])
    up, down = within & (speed > 0), within & (speed < 0)
    n_up, n_down, n = (_count(where, signal.dtype) for where in (up, down, phase))
    size = jnp.abs(signal)
    total_up, total_down = _total(signal, up), _total(size, down)
    net = total_up - total_down
    sum_difference = jnp.abs(_total(left, phase) - _total(right, phase))
    gain, loss = twice & (acceleration > 0), twice & (acceleration < 0)
    return jnp.stack(
        [
            ratio(n_up, fps),
            ratio(n_down, fps),
            ratio(n, fps),
            ratio(n_up, n),
            ratio(n_down, n),
            _max(signal, phase),
            _mean(signal, phase),
            _mean(signal, up),
            _mean(signal if authors else size, down),
            _std(signal, phase),
            total_up,
            total_down,
            net,
            ratio(total_up, total_up + total_down),
            ratio(total_down, total_up + total_down),
            _max(speed, up),
            _max(-speed, down),
            _mean(speed, up),
            _mean(-speed, down),
            _max(acceleration, gain),
            _max(-acceleration, loss),
            _mean(acceleration, gain),
            _mean(-acceleration, loss),
            ratio(net if authors else net * fps, n),
            jnp.zeros_like(net) if authors else ratio(sum_difference, n),
        ]
    )

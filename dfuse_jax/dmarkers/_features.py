"""Table 2: 25 values that describe one signal in one phase."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from dfuse_jax.dmarkers._phases import PHASES, Spans, inside, spans
from dfuse_jax.dmarkers._pose import ratio, square_root
from dfuse_jax.dmarkers._signals import REGIONS, Signals

if TYPE_CHECKING:
    from jax.typing import ArrayLike
    from jaxtyping import Float

VALUES = (
    "duration_increasing",
    "duration_decreasing",
    "duration",
    "duration_ratio_increasing",
    "duration_ratio_decreasing",
    "amplitude_max",
    "amplitude_mean",
    "amplitude_mean_increasing",
    "amplitude_mean_decreasing",
    "amplitude_std",
    "amplitude_total_increasing",
    "amplitude_total_decreasing",
    "amplitude_net",
    "amplitude_ratio_increasing",
    "amplitude_ratio_decreasing",
    "speed_max_increasing",
    "speed_max_decreasing",
    "speed_mean_increasing",
    "speed_mean_decreasing",
    "acceleration_max_increasing",
    "acceleration_max_decreasing",
    "acceleration_mean_increasing",
    "acceleration_mean_decreasing",
    "amplitude_duration_ratio",
    "amplitude_difference",
)
FEATURE_NAMES = tuple(f"{region}_{phase}_{value}" for region in REGIONS for phase in PHASES for value in VALUES)


class Sums(NamedTuple):
    """What Table 2 adds up over the frames of a phase.

    Attributes:
        n_up: 1 where D rises: eta(D+) and eta(V+).
        n_down: 1 where D falls: eta(D-) and eta(V-).
        n_gain: 1 where the speed grows: eta(A+).
        n_loss: 1 where the speed shrinks: eta(A-).
        deviation: D less its value at the phase's beginning.
        squared_deviation: the square of that.
        d_up: D+.
        d_down: |D-|.
        d_down_averaged: D- as value 9 takes it.
        v_up: V+.
        v_down: |V-|.
        a_gain: A+.
        a_loss: |A-|.
        sides: D_L - D_R.
    """

    n_up: Array
    n_down: Array
    n_gain: Array
    n_loss: Array
    deviation: Array
    squared_deviation: Array
    d_up: Array
    d_down: Array
    d_down_averaged: Array
    v_up: Array
    v_down: Array
    a_gain: Array
    a_loss: Array
    sides: Array


class Maxima(NamedTuple):
    """What Table 2 takes the largest of over the frames of a phase, named as in `Sums`."""

    deviation: Array
    v_up: Array
    v_down: Array
    a_gain: Array
    a_loss: Array


def run_features(
    signals: Signals, length: ArrayLike, fps: Array, *, overshoot: bool = False, **options: bool
) -> Float[Array, "3 3 25"]:
    """Computes Table 2 in the longest runs of the lip signal: `spans` with `overshoot`, `describe` with the options."""
    phases = spans(signals.mean[REGIONS.index("lip")], length, overshoot=overshoot)
    return describe(signals, phases, fps, **options)


def describe(
    signals: Signals,
    phases: Spans,
    fps: Array,
    *,
    absolute_falls: bool = True,
    compare_sides: bool = True,
    increments: bool = False,
) -> Float[Array, "3 3 25"]:
    """Computes the 25 values of Table 2, in the order of VALUES, for every region and phase.

    Args:
        signals: D, D_R and D_L, [3, T] each.
        phases: start and stop of the three phases.
        fps: omega, frames per second.
        absolute_falls: whether the mean of D- (value 9) is that of its absolute values, as all other values of D- are.
        compare_sides: whether value 25 compares D_L with D_R; it is 0 otherwise.
        increments: whether D+ and D- are the steps D(t) - D(t-1) up and down, instead of the levels D(t) after them.

    Returns:
        [region, phase, value]. Durations in seconds, speeds per second, accelerations per second squared; 0 wherever a
        set is empty.
    """
    frames = signals.mean.shape[1]
    # D, V and A are [region, 1, frame]; their sets within each phase are [region, phase, frame].
    d = signals.mean[:, None]
    v = fps * jnp.diff(d, prepend=d[..., :1])
    a = fps * jnp.diff(v, prepend=v[..., :1])
    # About the phase's first value: the variance then loses no more digits than the phase has frames.
    first = signals.mean[:, phases.start]
    deviation = d - first[..., None]
    # A step belongs to the phase when both its ends do, a change of speed when all its three frames do.
    within, step, turn = (inside(phases, frames, skip=skip)[None] for skip in range(3))
    up, down = step & (v > 0), step & (v < 0)
    gain, loss = turn & (a > 0), turn & (a < 0)

    def subset(where: Array, x: ArrayLike, otherwise: float = 0) -> Array:
        shape = (len(REGIONS), len(PHASES), frames)
        return jnp.broadcast_to(jnp.where(where, x, otherwise), shape).astype(d.dtype)

    amplitude = v / fps if increments else d
    v_up, v_down = subset(up, v), subset(down, -v)
    a_gain, a_loss = subset(gain, a), subset(loss, -a)
    total, largest = over_frames(
        Sums(
            n_up=subset(up, 1),
            n_down=subset(down, 1),
            n_gain=subset(gain, 1),
            n_loss=subset(loss, 1),
            deviation=subset(within, deviation),
            squared_deviation=subset(within, deviation**2),
            d_up=subset(up, amplitude),
            d_down=subset(down, jnp.abs(amplitude)),
            d_down_averaged=subset(down, jnp.abs(amplitude) if absolute_falls else amplitude),
            v_up=v_up,
            v_down=v_down,
            a_gain=a_gain,
            a_loss=a_loss,
            sides=subset(within, (signals.left - signals.right)[:, None]),
        ),
        Maxima(
            deviation=subset(within, deviation, -jnp.inf),
            v_up=v_up,
            v_down=v_down,
            a_gain=a_gain,
            a_loss=a_loss,
        ),
    )
    n = jnp.broadcast_to((phases.stop - phases.start).astype(d.dtype)[None], first.shape)
    return table(total, largest, n=n, reference=jnp.where(n > 0, first, 0), omega=fps, compare_sides=compare_sides)


def table(
    total: Sums,
    largest: Maxima,
    *,
    n: Float[Array, "3 3"],
    reference: Float[Array, "3 3"],
    omega: Array,
    compare_sides: bool = True,
) -> Float[Array, "3 3 25"]:
    """Returns Table 2's values, in the order of VALUES, of what was added up over every region's phases.

    Args:
        total: sums over a phase's frames, [region, phase] each.
        largest: maxima over them; `deviation` is -inf or any number where a phase does not exist.
        n: eta(D), how many frames a phase has.
        reference: the value from which deviations are counted, 0 where a phase does not exist.
        omega: frames per second; 1 if all sums are integrals over seconds.
        compare_sides: whether value 25 compares D_L with D_R; it is 0 otherwise.
    """
    mean_deviation = ratio(total.deviation, n)
    net, both = total.d_up - total.d_down, total.d_up + total.d_down
    values = {
        # Duration: eta(D+) / omega, eta(D-) / omega, eta(D) / omega
        "duration_increasing": ratio(total.n_up, omega),
        "duration_decreasing": ratio(total.n_down, omega),
        "duration": ratio(n, omega),
        # Duration Ratio: eta(D+) / eta(D), eta(D-) / eta(D)
        "duration_ratio_increasing": ratio(total.n_up, n),
        "duration_ratio_decreasing": ratio(total.n_down, n),
        # Maximum Amplitude: max(D)
        "amplitude_max": reference + jnp.where(n > 0, largest.deviation, 0),
        # Mean Amplitude: sum D / eta(D), sum D+ / eta(D+), sum |D-| / eta(D-)
        "amplitude_mean": reference + mean_deviation,
        "amplitude_mean_increasing": ratio(total.d_up, total.n_up),
        "amplitude_mean_decreasing": ratio(total.d_down_averaged, total.n_down),
        # STD of Amplitude: std(D)
        "amplitude_std": square_root(ratio(total.squared_deviation, n) - mean_deviation**2),
        # Total Amplitude: sum D+, sum |D-|
        "amplitude_total_increasing": total.d_up,
        "amplitude_total_decreasing": total.d_down,
        # Net Amplitude: sum D+ - sum |D-|
        "amplitude_net": net,
        # Amplitude Ratio: sum D+ and sum |D-|, each over sum D+ + sum |D-|
        "amplitude_ratio_increasing": ratio(total.d_up, both),
        "amplitude_ratio_decreasing": ratio(total.d_down, both),
        # Maximum Speed: max(V+), max(|V-|)
        "speed_max_increasing": largest.v_up,
        "speed_max_decreasing": largest.v_down,
        # Mean Speed: sum V+ / eta(V+), sum |V-| / eta(V-)
        "speed_mean_increasing": ratio(total.v_up, total.n_up),
        "speed_mean_decreasing": ratio(total.v_down, total.n_down),
        # Max. Acceleration: max(A+), max(|A-|)
        "acceleration_max_increasing": largest.a_gain,
        "acceleration_max_decreasing": largest.a_loss,
        # Mean Acceleration: sum A+ / eta(A+), sum |A-| / eta(A-)
        "acceleration_mean_increasing": ratio(total.a_gain, total.n_gain),
        "acceleration_mean_decreasing": ratio(total.a_loss, total.n_loss),
        # Ampl. Duration Ratio: (sum D+ - sum |D-|) omega / eta(D)
        "amplitude_duration_ratio": ratio(net * omega, n),
        # Ampl. Difference: |sum D_L - sum D_R| / eta(D)
        "amplitude_difference": ratio(jnp.abs(total.sides), n) if compare_sides else jnp.zeros_like(n),
    }
    return jnp.stack([values[name] for name in VALUES], axis=-1)


@jax.custom_jvp
def over_frames(sums: Sums, maxima: Maxima) -> tuple[Sums, Maxima]:
    """Sums and maxima over the last axis of arrays of one shape, all in one pass over the frames."""
    zero, least = (jnp.array(x, sums.n_up.dtype) for x in (0, -jnp.inf))
    initial = jax.tree.map(lambda _: zero, sums), jax.tree.map(lambda _: least, maxima)
    return lax.reduce((sums, maxima), initial, _merge, (sums.n_up.ndim - 1,))


def _merge(a: tuple[Sums, Maxima], b: tuple[Sums, Maxima]) -> tuple[Sums, Maxima]:
    # At module level: JAX keeps what it reduces with, and a closure would keep a trace alive.
    return jax.tree.map(jnp.add, a[0], b[0]), jax.tree.map(jnp.maximum, a[1], b[1])


@over_frames.defjvp
def _over_frames_jvp(
    primals: tuple[Sums, Maxima], tangents: tuple[Sums, Maxima]
) -> tuple[tuple[Sums, Maxima], tuple[Sums, Maxima]]:
    # The general reduction has no efficient derivative. That of jnp.max divides by how many values equal the largest,
    # which are none where the compiler computes the values once more and rounds otherwise.
    _, maxima = primals
    sums_dot, maxima_dot = tangents
    change = jax.tree.map(functools.partial(jnp.sum, axis=-1), sums_dot), jax.tree.map(_at_largest, maxima_dot, maxima)
    return over_frames(*primals), change


def _at_largest(x: Array, values: Array) -> Array:
    """Returns x where the values are largest along the last axis, the first such place on a tie."""
    place = jnp.argmax(values, axis=-1, keepdims=True)
    return jnp.take_along_axis(x, place, axis=-1)[..., 0]

"""Table 2: 25 values that describe one signal in one phase."""

import jax
import jax.numpy as jnp
from jax import Array, lax

from dfuse_jax.dmarkers._phases import PHASES, inside
from dfuse_jax.dmarkers._pose import ratio, root
from dfuse_jax.dmarkers._signals import REGIONS, Signals

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


def _plain(sums: list[Array], maxima: list[Array]) -> tuple[list[Array], list[Array]]:
    return [jnp.sum(x, axis=-1) for x in sums], [jnp.max(x, axis=-1) for x in maxima]


@jax.custom_jvp
def _over_frames(sums: list[Array], maxima: list[Array]) -> tuple[list[Array], list[Array]]:
    """Sums and maxima over the last axis of arrays of one shape, all in one pass over the frames."""

    def merge(a, b):
        added = [x + y for x, y in zip(a[: len(sums)], b[: len(sums)], strict=True)]
        return *added, *(jnp.maximum(x, y) for x, y in zip(a[len(sums) :], b[len(sums) :], strict=True))

    zero, least = (jnp.array(x, sums[0].dtype) for x in (0, -jnp.inf))
    start = (zero,) * len(sums) + (least,) * len(maxima)
    found = lax.reduce((*sums, *maxima), start, merge, (sums[0].ndim - 1,))
    return list(found[: len(sums)]), list(found[len(sums) :])


@_over_frames.defjvp
def _over_frames_jvp(primals, tangents):
    return jax.jvp(_plain, primals, tangents)  # the general reduction has no efficient derivative


def describe(signals: Signals, start: Array, stop: Array, fps: Array, *, authors: bool = False) -> Array:
    """The 25 values of Table 2, in the order of VALUES, for every region and phase: [3, 3, 25].

    Args:
        signals: D, D_R and D_L, [3, T] each.
        start: [3], the first frame of each phase.
        stop: [3], the frame after each phase's last; the same as `start` where the phase does not exist.
        fps: omega, frames per second.
        authors: the published code's values 9 (signed), 24 (without omega) and 25 (always 0).

    Returns:
        Durations in seconds, speeds per second, accelerations per second squared; 0 wherever a set is empty.
    """
    mean, frames = signals.mean, signals.mean.shape[1]
    # From here on [region, phase, frame].
    speed = fps * jnp.diff(mean, prepend=mean[:, :1])
    acceleration = (fps * jnp.diff(speed, prepend=speed[:, :1]))[:, None]
    tilt = (signals.left - signals.right)[:, None]
    d, speed = mean[:, None], speed[:, None]
    # About the phase's first value: the variance then loses no more digits than the phase has frames.
    first = mean[:, start][..., None]
    about = d - first
    # A step belongs to the phase when both its ends do, a change of speed when all its three frames do.
    within, stepped, turned = (inside(start + late, stop, frames) for late in range(3))
    up, down = stepped & (speed > 0), stepped & (speed < 0)
    gain, loss = turned & (acceleration > 0), turned & (acceleration < 0)
    shape = (*mean.shape[:1], *start.shape, frames)
    pick = lambda where, x, other=0: jnp.broadcast_to(jnp.where(where, x, other), shape).astype(mean.dtype)  # noqa: E731
    (n_up, n_down, n_gain, n_loss, about, square, tilt, up, sped, down, sank, slowed, gained, lost), most = (
        _over_frames(
            [
                *(pick(where, 1) for where in (up, down, gain, loss)),
                *(pick(within, x) for x in (about, about**2, tilt)),
                *(pick(up, x) for x in (d, speed)),
                *(pick(down, x) for x in (jnp.abs(d), d, -speed)),
                pick(gain, acceleration),
                pick(loss, -acceleration),
            ],
            [
                pick(within, about, -jnp.inf),
                *(pick(up, speed), pick(down, -speed)),
                *(pick(gain, acceleration), pick(loss, -acceleration)),
            ],
        )
    )
    n = jnp.broadcast_to((stop - start).astype(mean.dtype), up.shape)
    base = jnp.where(n > 0, first[..., 0], 0)
    net, total = up - down, up + down
    values = [
        *(ratio(count, fps) for count in (n_up, n_down, n)),
        *(ratio(count, n) for count in (n_up, n_down)),
        base + jnp.where(n > 0, most[0], 0),
        base + ratio(about, n),
        ratio(up, n_up),
        ratio(sank if authors else down, n_down),
        root(ratio(square, n) - ratio(about, n) ** 2),
        *(up, down, net),
        *(ratio(up, total), ratio(down, total)),
        *most[1:3],
        *(ratio(sped, n_up), ratio(slowed, n_down)),
        *most[3:],
        *(ratio(gained, n_gain), ratio(lost, n_loss)),
        ratio(net if authors else net * fps, n),
        jnp.zeros_like(net) if authors else ratio(jnp.abs(tilt), n),
    ]
    return jnp.stack(values, axis=-1)

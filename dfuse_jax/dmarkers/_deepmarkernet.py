"""The 216 values that DeepMarkerNet's second head learns: a third definition of D-Markers, as its code has it.

Source: the repository junayed-hasan/spontaneous-smile-recognition. Its quirks are kept, as networks were trained on
these very values: a pose in radians is taken out as if it were in degrees, so it stays; durations count in units of 50
frames, whatever the frame rate; the row of the "apex" is the rise again; and a third of the values, the eyes', is 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from dfuse_jax.dmarkers._points import check_shape, to_points

if TYPE_CHECKING:
    from jaxtyping import Float, Num

FRAMES_PER_UNIT = 50
ROW = 24  # values of a signal's row; a signal has three: the whole, its rise, its fall


class Values(NamedTuple):
    """Some values of a signal in their order.

    Attributes:
        values: [T], of which the first `count` are meant, and the others 0.
        count: how many there are.
    """

    values: Float[Array, " frames"]
    count: Array

    @property
    def total(self) -> Array:
        """Their sum."""
        return jnp.sum(self.values)

    @property
    def mean(self) -> Array:
        """Their mean, 0 of none."""
        return self.total / jnp.maximum(self.count, 1)

    @property
    def largest(self) -> Array:
        """The largest of them, 0 of none."""
        largest = jnp.max(jnp.where(jnp.arange(len(self.values)) < self.count, self.values, -jnp.inf))
        return jnp.where(self.count > 0, largest, 0)

    @property
    def deviation(self) -> Array:
        """Their standard deviation (of a population), 0 of none."""
        centred = self._keep(self.values - self.mean, self.count)
        return jnp.sqrt(jnp.sum(centred**2) / jnp.maximum(self.count, 1))

    def absolute(self) -> Values:
        """Returns their absolute values."""
        return self._replace(values=jnp.abs(self.values))

    def differences(self) -> Values:
        """Returns the differences of successive ones, none of fewer than two."""
        count = jnp.maximum(self.count - 1, 0)
        following = jnp.concatenate([self.values[1:], self.values[:1]])
        return Values(self._keep(following - self.values, count), count)

    def _keep(self, values: Array, count: Array) -> Array:
        return jnp.where(jnp.arange(len(values)) < count, values, 0)


def deepmarkernet_targets(landmarks: Num[Array, "frames points 3"]) -> Float[Array, " 216"]:
    """Returns DeepMarkerNet's targets: lip corners, eyes (0), cheeks; of each the whole signal, its rise, its fall.

    Args:
        landmarks: [T, 478, 3] or [T, 11, 3] (Table 1's points), min-max scaled as the network sees them. A frame of
            zeros, as in a clip that is longer than its video, has signals of 0.
    """
    check_shape(landmarks.shape)
    points = _turned(to_points(landmarks))
    lip = _movement(right=points[:, 9], left=points[:, 10])
    cheek = _movement(right=points[:, 6], left=points[:, 7])
    rows = [_rows(lip), jnp.zeros((3, ROW), lip.dtype), _rows(cheek).at[1, jnp.array([15, 17])].set(0)]
    return jnp.concatenate(rows).reshape(-1)


def _turned(points: Float[Array, "frames 11 3"]) -> Float[Array, "frames 11 3"]:
    """Returns the points about the eyes' centre, the eyes 100 apart, turned by the pose's radians as if degrees."""
    right, left = (points[:, 0] + points[:, 2]) / 2, (points[:, 3] + points[:, 5]) / 2
    nose = points[:, 8]
    normal = jnp.cross(left - nose, right - nose)
    normal = jnp.where(normal[:, 1:2] < 0, -normal, normal)
    length = jnp.linalg.norm(normal, axis=-1, keepdims=True)
    angles = -jnp.radians(jnp.arccos(jnp.clip(normal / length, -1, 1)))
    arm = points - ((right + left) / 2)[:, None]
    turned = jnp.einsum("tpi,tij->tpj", arm, jax.vmap(_rotation)(angles))
    return 100 * turned / jnp.linalg.norm(right - left, axis=-1)[:, None, None]


def _rotation(angles: Float[Array, " 3"]) -> Float[Array, "3 3"]:
    """Returns the matrix that turns about the fixed axes x, y and z, in this order."""
    (cx, cy, cz), (sx, sy, sz) = jnp.cos(angles), jnp.sin(angles)
    rows = [
        [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
        [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
        [-sy, cy * sx, cy * cx],
    ]
    return jnp.stack([jnp.stack(row) for row in rows])


def _movement(*, right: Float[Array, "frames 3"], left: Float[Array, "frames 3"]) -> Float[Array, " frames"]:
    """Returns eqs. 5 and 7 in space: mean distance from the first frame's midpoint, over the first frame's distance."""
    rest = (right[:1] + left[:1]) / 2
    apart = jnp.linalg.norm(right[0] - left[0])
    signal = (jnp.linalg.norm(right - rest, axis=-1) + jnp.linalg.norm(left - rest, axis=-1)) / (2 * apart)
    return jnp.where(jnp.isfinite(signal), signal, 0)


def _rows(signal: Float[Array, " frames"]) -> Float[Array, "3 24"]:
    step = jnp.diff(signal, prepend=signal[:1])
    whole = Values(signal, jnp.asarray(len(signal)))
    rise = _longest_run(signal, step > 0, step < 0)
    fall = _longest_run(signal, step < 0, step > 0)
    single = Values(jnp.zeros_like(signal), jnp.asarray(1))  # one zero stands where a phase is left out
    return jnp.stack([_row(whole, rise, fall), _row(rise, rise, single), _row(fall, single, fall)])


def _longest_run(signal: Float[Array, " frames"], onward: Array, back: Array) -> Values:
    """Returns the values of the longest run of steps onward, the earliest on a tie, and the value before it.

    A step of 0 neither belongs to a run nor ends it.
    """
    frame = jnp.arange(len(signal))
    run = jnp.cumsum(back)  # each step back ends one
    longest = jnp.argmax(jnp.sum((run[None] == frame[:, None]) & onward[None], axis=1))
    members = onward & (run == longest)
    members = members | jnp.concatenate([members[1:] & (jnp.cumsum(members)[1:] == 1), jnp.zeros(1, bool)])
    order = jnp.argsort(~members)  # members first, in their order
    return Values(jnp.where(members[order], signal[order], 0), jnp.sum(members))


def _row(whole: Values, rise: Values, fall: Values) -> Float[Array, " 24"]:
    """Returns the 24 values of a row."""
    size = jnp.maximum(whole.count, 1)
    up, down = rise.total, fall.absolute().total
    both = jnp.where(up + down == 0, 1, up + down)
    rise_speed, fall_speed = rise.differences(), fall.differences()
    rise_acceleration, fall_acceleration = rise_speed.differences(), fall_speed.differences()
    values = [
        *(part.count / FRAMES_PER_UNIT for part in (rise, fall, whole)),
        *(jnp.where(whole.count > 0, part.count / size, 0) for part in (rise, fall)),
        *(whole.largest, whole.mean, rise.mean, fall.absolute().mean, whole.deviation),
        *(up, down, up - down, up / both, down / both),
        *(rise_speed.largest, fall_speed.largest, rise_speed.mean, fall_speed.mean),
        *(rise_acceleration.largest, fall_acceleration.largest, rise_acceleration.mean, fall_acceleration.mean),
        jnp.where(whole.count > 0, (up - down) * FRAMES_PER_UNIT / size, 0),
    ]
    return jnp.stack([jnp.asarray(value, whole.values.dtype) for value in values])

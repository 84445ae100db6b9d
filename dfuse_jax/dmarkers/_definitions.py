"""The definitions of the D-Markers and the smoothers of their signals, by the names that `compute` takes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

from jax import Array

from dfuse_jax.dmarkers import _signals
from dfuse_jax.dmarkers._features import describe
from dfuse_jax.dmarkers._phases import Spans, spans
from dfuse_jax.dmarkers._signals import Signals
from dfuse_jax.dmarkers._smoothing import smooth_4253h_twice


class Definition(NamedTuple):
    """What one definition makes of Table 1's points.

    Attributes:
        signals: from points [T, 11, 3] and aspect to the three signals.
        phases: from the lip signal [T] and length to onset, apex and offset.
        describe: from signals, phases and frame rate to Table 2's values, [3, 3, 25].
        removes_head_pose: whether it reads MediaPipe's coordinates with the head pose taken out (not scaled ones).
        knows_frame_rate: whether durations are in seconds; in frames otherwise.
    """

    signals: Callable[..., Signals]
    phases: Callable[..., Spans]
    describe: Callable[..., Array]
    removes_head_pose: bool
    knows_frame_rate: bool


DEFINITIONS = {
    "paper": Definition(
        signals=_signals.paper,
        phases=spans,
        describe=describe,
        removes_head_pose=True,
        knows_frame_rate=True,
    ),
    "authors": Definition(
        signals=_signals.authors,
        phases=functools.partial(spans, overshoot=True),
        describe=functools.partial(describe, absolute_falls=False, compare_sides=False),
        removes_head_pose=False,
        knows_frame_rate=False,
    ),
}

SMOOTHERS: dict[str | None, Callable[..., Array]] = {
    None: lambda signals, length: signals,
    "4253H": smooth_4253h_twice,
}


def check_options(*, definition: str = "paper", smoothing: str | None = None) -> None:
    """Raises ValueError for an unknown definition or smoothing."""
    for name, value, known in (("definition", definition, DEFINITIONS), ("smoothing", smoothing, SMOOTHERS)):
        if value not in known:
            raise ValueError(f"unknown {name} {value!r}; known: {', '.join(map(str, known))}.")

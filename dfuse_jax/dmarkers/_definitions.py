"""The definitions of the D-Markers and the smoothers of their signals, by the names that `compute` takes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

from jax import Array

from dfuse_jax.dmarkers import _signals
from dfuse_jax.dmarkers._features import run_features
from dfuse_jax.dmarkers._phases import Ends, run_ends
from dfuse_jax.dmarkers._robust import robust_ends, robust_features
from dfuse_jax.dmarkers._signals import Signals
from dfuse_jax.dmarkers._smoothing import smooth_4253h_twice


class Definition(NamedTuple):
    """What one definition makes of Table 1's points.

    Attributes:
        signals: from points [T, 11, 3] and aspect to the three signals.
        ends: from the lip signal [T], length and frame rate to onset, apex and offset.
        features: from signals, length and frame rate to Table 2's values, [3, 3, 25].
        removes_head_pose: whether it reads MediaPipe's coordinates with the head pose taken out (not scaled ones).
        knows_frame_rate: whether durations are in seconds; in frames otherwise.
        smooths: whether it smooths signals itself, over seconds: its phases need the frame rate, and it takes no
            smoothing.
    """

    signals: Callable[..., Signals]
    ends: Callable[..., Ends]
    features: Callable[..., Array]
    removes_head_pose: bool = True
    knows_frame_rate: bool = True
    smooths: bool = False


DEFINITIONS = {
    "paper": Definition(signals=_signals.paper, ends=run_ends, features=run_features),
    "robust": Definition(signals=_signals.robust, ends=robust_ends, features=robust_features, smooths=True),
    "authors": Definition(
        signals=_signals.authors,
        ends=functools.partial(run_ends, overshoot=True),
        features=functools.partial(run_features, overshoot=True, absolute_falls=False, compare_sides=False),
        removes_head_pose=False,
        knows_frame_rate=False,
    ),
}

SMOOTHERS: dict[str | None, Callable[..., Array]] = {
    None: lambda signals, length: signals,
    "4253H": smooth_4253h_twice,
}


def check_options(*, definition: str = "paper", smoothing: str | None = None) -> None:
    """Raises ValueError for an unknown definition or smoothing, or two that do not go together."""
    for name, value, known in (("definition", definition, DEFINITIONS), ("smoothing", smoothing, SMOOTHERS)):
        if value not in known:
            raise ValueError(f"unknown {name} {value!r}; known: {', '.join(map(str, known))}.")
    if smoothing is not None and DEFINITIONS[definition].smooths:
        raise ValueError(
            f"the definition {definition!r} smooths the signals itself: give smoothing=None, not {smoothing!r}."
        )

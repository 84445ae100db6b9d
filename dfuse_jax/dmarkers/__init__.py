"""D-Markers: 225 handcrafted features of how a smile moves (paper section 3.2, Tables 1 and 2, eqs. 5-7).

`compute` and its neighbours are pure functions of one sequence, on jax alone: jit them, vmap them over a batch,
differentiate them. `compute_batch` takes many sequences of any lengths, and compiles few programs for all of them.
`find_smiles` finds the smiles of a recording in its lip signal, and `smile_step` those of a stream.

    features = jax.jit(jax.vmap(dmarkers.compute))(landmarks, fps)   # [B, T, 478, 3], [B] -> [B, 225]
    features = dmarkers.compute_batch(sequences, fps)                # N arrays [T, 478, 3] -> [N, 225]

`validate` says what is wrong with an input; `to_frame` (pandas), `plot` (matplotlib) and `DMarkers` (scikit-learn)
import what they need when they are first used.

What to know of the definition before reading a feature:

* Eq. 6 of `paper` divides both eyes by the right eye's width in the same frame, as printed. Mirroring a face swaps left
  and right and changes no cheek or lip feature; it multiplies the eye signal by the ratio of the two eyes' widths. In
  `robust` mirroring changes no feature.
* "Below" in eq. 6 is down the face's own vertical. The y axis of the head pose leans towards the viewer by 46.9
  degrees, as its plane runs through the tip of the nose; along that axis most open eyes of real faces would count as
  closed. Down the vertical the sign changes when the lid passes the corners of its eye; but eq. 6 is a distance in
  space, and a lid bulges forward of its corners, so the signal still jumps, from about +0.2 to -0.2. In `robust` a side
  of the eye is the lid's signed height itself, over that eye's own width, which does not jump.
* `paper` is read as printed: an invisible re-encoding of a video moves four features in ten. `robust` is made so that
  they stay; `_robust` says how. It smooths by itself, over 0.1 s, and its phases end between two frames.
* A step counts as up or down however small it is. A face that is perfectly still, on a head that moves, shows the last
  digits of rounding as movement; landmarks that were tracked or filmed are never that still.
* A lost face has no features. Where a coordinate of Table 1's points is NaN or infinite, the signals and the head pose
  of that frame are NaN, the phases of such a lip signal have no frame, and all 225 features are NaN; so they are for a
  frame rate or an aspect that is not a positive number. Frames beyond `length` may hold anything. To compute features
  of a video in which the face was lost for a while, fill the gap or cut the video there.
* Within NEAR (1e-6 of the head's size) distances count as 0: a head whose eyes coincide, or whose nose tip is in line
  with them, has no pose, all its points become 0, and so does every ratio to such a distance.

In float32, signals are within 1e-5 of float64's (of the largest D), and features within 1e-4 of their own value plus
1e-5 of the largest D (1e-4 for sums), times fps for speeds and twice fps squared for accelerations. That holds while no
step and no change of steps is below 1e-5, as their signs decide what is counted. Values 14 and 15 divide by a sum that
cancels for an eye whose signal is negative: there they are as uncertain as that sum.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from dfuse_jax.dmarkers import _definitions
from dfuse_jax.dmarkers._batch import compute_batch, map_batch
from dfuse_jax.dmarkers._checks import validate
from dfuse_jax.dmarkers._compute import compute, describe, head_pose, phase_ends, phases, signals, smooth
from dfuse_jax.dmarkers._deepmarkernet import deepmarkernet_targets
from dfuse_jax.dmarkers._features import FEATURE_NAMES, VALUES
from dfuse_jax.dmarkers._phases import PHASES
from dfuse_jax.dmarkers._points import LANDMARKS
from dfuse_jax.dmarkers._signals import REGIONS, Signals
from dfuse_jax.dmarkers._smiles import SmileMoment, SmileRules, SmileState, find_smiles, smile_start, smile_step

if TYPE_CHECKING:
    from dfuse_jax.dmarkers.extras.frame import to_frame
    from dfuse_jax.dmarkers.extras.plot import plot
    from dfuse_jax.dmarkers.extras.transformer import DMarkers

__all__ = [
    "DEFINITIONS",
    "FEATURE_NAMES",
    "LANDMARKS",
    "PHASES",
    "REGIONS",
    "SMOOTHINGS",
    "VALUES",
    "DMarkers",
    "Signals",
    "SmileMoment",
    "SmileRules",
    "SmileState",
    "compute",
    "compute_batch",
    "deepmarkernet_targets",
    "describe",
    "find_smiles",
    "head_pose",
    "map_batch",
    "phase_ends",
    "phases",
    "plot",
    "signals",
    "smile_start",
    "smile_step",
    "smooth",
    "to_frame",
    "validate",
]

DEFINITIONS = tuple(_definitions.DEFINITIONS)  # names that `definition` takes
SMOOTHINGS = tuple(_definitions.SMOOTHERS)  # values that `smoothing` takes

# What needs more than jax: its module in extras/ and the package that pip installs.
_EXTRAS = {
    "plot": ("plot", "matplotlib"),
    "to_frame": ("frame", "pandas"),
    "DMarkers": ("transformer", "scikit-learn"),
}


def __getattr__(name: str):
    """Imports what needs more than jax when it is first used."""
    if name not in _EXTRAS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, package = _EXTRAS[name]
    try:
        return getattr(importlib.import_module(f"{__name__}.extras.{module}"), name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"dmarkers.{name} needs {package} (no module {error.name!r}): pip install {package}"
        ) from error


def __dir__() -> list[str]:
    """Lists the extras too, which are not imported yet."""
    return sorted({*globals(), *_EXTRAS})

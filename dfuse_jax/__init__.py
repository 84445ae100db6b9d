"""D-FuseSmileNet in JAX: tells spontaneous smiles from posed ones, and trains all folds at once.

    sample = dfuse_jax.extract_landmarks("smile.mp4")          # Attention Mesh landmarks; needs the extra `extract`
    dfuse_jax.dmarkers.compute(sample.landmarks, sample.fps, aspect=sample.aspect, definition="robust")  # 225 of them
    dfuse_jax.load("results/mine").predict(sample)             # by the models of a finished cross-validation
    dfuse_jax.explain("results/mine", sample)                  # what their answer rests on
    dfuse_jax.analyse("talk.mp4")                              # every smile of a recording; needs the extra `analyse`

Each name is imported when it is first used, so `import dfuse_jax` loads nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

from dfuse_jax.constants import VERSION

if TYPE_CHECKING:
    from dfuse_jax import dmarkers, models
    from dfuse_jax.experiments.analyse import analyse
    from dfuse_jax.experiments.explain import explain
    from dfuse_jax.experiments.predict import load
    from dfuse_jax.extract.landmarks import extract_landmarks
    from dfuse_jax.samples import Sample

__version__ = VERSION

__all__ = ["Sample", "__version__", "analyse", "dmarkers", "explain", "extract_landmarks", "load", "models"]

_MODULES = ("dmarkers", "models")
_MEMBERS = {
    "Sample": "dfuse_jax.samples",
    "analyse": "dfuse_jax.experiments.analyse",
    "explain": "dfuse_jax.experiments.explain",
    "extract_landmarks": "dfuse_jax.extract.landmarks",
    "load": "dfuse_jax.experiments.predict",
}


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used."""
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name in _MEMBERS:
        return getattr(importlib.import_module(_MEMBERS[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""What takes long to compute of pictures is kept in files, by a checksum of the pictures."""

import hashlib
import pathlib
from collections.abc import Callable

import numpy as np

from dfuse_jax.runtime import caches
from dfuse_jax.runtime.files import atomic

FORMAT = 1  # a new number makes all anew


def folder() -> pathlib.Path:
    """Returns where they are kept; it may be deleted."""
    return caches.folder() / "features"


def cached(name: str, pictures: np.ndarray, compute: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Returns `compute(pictures)`, from a file if it was computed before; where none can be written, it is computed.

    Args:
        name: of what is computed, with its settings.
        pictures: what it is computed of.
        compute: gives an array.
    """
    key = hashlib.sha256(f"{FORMAT} {name} {pictures.dtype} {pictures.shape}".encode())
    key.update(np.ascontiguousarray(pictures).tobytes())
    path = folder() / f"{name}-{key.hexdigest()[:24]}.npy"
    try:
        return np.load(path)
    except (OSError, ValueError, EOFError):
        values = compute(pictures)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic(path, "wb") as file:
            np.save(file, values)
    except OSError:  # a full disk: it is computed again the next time
        pass
    return values

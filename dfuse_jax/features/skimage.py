"""scikit-image, which only systems that read histograms of gradients or optical flow need."""

import importlib
from typing import Any

from dfuse_jax.runtime.errors import UserError


def require(module: str) -> Any:
    """Returns a module of scikit-image; raises UserError that names the package if it is not installed."""
    try:
        return importlib.import_module(f"skimage.{module}")
    except ImportError as error:
        raise UserError(
            f'scikit-image cannot be imported ({error}). Install it: pip install "dfuse_jax[pixels]"'
        ) from error

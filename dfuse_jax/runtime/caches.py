"""Where things are kept to save time; all of it may be deleted."""

import os
import pathlib


def folder() -> pathlib.Path:
    """Returns ~/.cache/dfuse_jax, or dfuse_jax in the folder that XDG_CACHE_HOME names."""
    home = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    return home / "dfuse_jax"

"""Writing of a report's text files: each is whole or not there."""

import json
import os
from typing import Any

from dfuse_jax.runtime.files import atomic


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes a text in UTF-8, whatever the locale."""
    with atomic(path, "wb") as file:
        file.write(text.encode())


def write_json(path: str | os.PathLike, content: Any) -> None:
    """Writes JSON.

    Raises:
        ValueError: a number is not finite, for which JSON has no word.
    """
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")

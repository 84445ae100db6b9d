"""The folder of a run: whose it is, and that one run at a time works in it."""

import contextlib
import json
import pathlib
from collections.abc import Mapping

from dfuse_jax.runtime import files, messages
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.runtime.files import atomic


def flatten(config: Mapping, prefix: str = "") -> dict[str, object]:
    """{"train": {"epochs": 5}} -> {"train.epochs": 5}."""
    flat = {}
    for key, value in config.items():
        flat.update(flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value})
    return flat


def compare(path: pathlib.Path, content: Mapping, what: str) -> None:
    """Raises UserError with the fields in which `content` differs from what stands in `path` (JSON), if it is there."""
    if not path.exists():
        return
    try:
        old, new = flatten(json.loads(path.read_text())), flatten(json.loads(json.dumps(content)))
    except (ValueError, AttributeError) as error:
        raise UserError(f"{path} is damaged ({error}). Give another --workdir.") from error
    differing = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    if differing:
        fields = "; ".join(f"{key}: {old.get(key)!r} there, {new.get(key)!r} now" for key in differing)
        raise UserError(f"{path.parent} belongs to a run with another {what} ({fields}). Give another --workdir.")


def claim(path: pathlib.Path, content: Mapping, what: str) -> None:
    """Writes `content` to `path` (JSON), or raises UserError as `compare` does."""
    compare(path, content, what)
    if not path.exists():
        with atomic(path) as file:
            json.dump(content, file, indent=1)


@contextlib.contextmanager
def locked(directory: pathlib.Path):
    """Holds the folder for this run (`files.locked`); of several processes the first does that for all."""
    with files.locked(directory) if messages.first() else contextlib.nullcontext():
        yield

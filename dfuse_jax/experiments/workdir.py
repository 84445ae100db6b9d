"""The folder of a run: which run it belongs to, that one at a time works in it, and that all its processes see it."""

import contextlib
import hashlib
import json
import pathlib
import socket
import tempfile
from collections.abc import Iterator, Mapping

from dfuse_jax.constants import VERSION
from dfuse_jax.runtime import files, formats, messages
from dfuse_jax.runtime.errors import UserError

FORMAT = 1  # of the folder of a run, its checkpoints apart; version 0.1 wrote none
NAME = "version.json"  # where it stands
CHANGED = "since 0.2 the D-Markers of the eyes, the synthetic smiles and what a run stores are different"


def default(name: str, config: Mapping) -> pathlib.Path:
    """Returns the folder of a config for which none is named: one of its own, under results/."""
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:8]
    return pathlib.Path("results") / f"{name}-{digest}"


def flatten(config: Mapping, prefix: str = "") -> dict[str, object]:
    """Returns nested fields by their whole names: {"train": {"epochs": 5}} -> {"train.epochs": 5}."""
    flat = {}
    for key, value in config.items():
        flat.update(flatten(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value})
    return flat


def check_version(directory: pathlib.Path) -> None:
    """Raises UserError if the folder is that of a run or comparison of another version of dfuse_jax."""
    if not (directory / "config.json").exists():
        return
    try:
        written = json.loads((directory / NAME).read_text())["format"]
    except FileNotFoundError:
        written = None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{directory / NAME} is damaged ({error}).", remedy="workdir") from error
    formats.require(
        directory, written, FORMAT, changed=CHANGED, advice="Train again into a new folder.", remedy="new_run"
    )


def compare(path: pathlib.Path, content: Mapping, what: str) -> None:
    """Raises UserError with the fields in which `content` differs from the JSON in `path`, if there is any.

    The folder must be of this version of dfuse_jax, too.
    """
    if not path.exists():
        return
    check_version(path.parent)
    try:
        old, new = flatten(json.loads(path.read_text())), flatten(json.loads(json.dumps(content)))
    except (ValueError, AttributeError) as error:
        raise UserError(f"{path} is damaged ({error}).", remedy="workdir") from error
    differing = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    if differing:
        fields = "; ".join(f"{key}: {old.get(key)!r} there, {new.get(key)!r} now" for key in differing)
        raise UserError(f"{path.parent} belongs to a run with another {what} ({fields}).", remedy="workdir")


def claim(path: pathlib.Path, content: Mapping, what: str) -> None:
    """Writes `content` to `path` as JSON, or raises UserError as `compare` does."""
    compare(path, content, what)
    if path.exists():
        return
    if not (path.parent / NAME).exists():
        _write(path.parent / NAME, {"format": FORMAT, "dfuse_jax": VERSION})
    _write(path, content)


def _write(path: pathlib.Path, content: Mapping) -> None:
    with files.atomic(path) as file:
        json.dump(content, file, indent=1)


@contextlib.contextmanager
def locked(directory: pathlib.Path) -> Iterator[None]:
    """Makes the folder and holds it for this run: of several processes the first does, and all must see it.

    Raises:
        UserError: it cannot be written, another run works in it, or a process does not see it.
    """
    with files.locked(directory) if messages.first() else contextlib.nullcontext():
        _check_seen(directory)
        yield


def _check_seen(directory: pathlib.Path) -> None:
    """Raises UserError in all processes if one of them does not see what the first one puts into the folder."""
    if messages.size() == 1:
        return
    name, where = messages.by_first(_put_token, directory)
    seen = messages.exchange([socket.gethostname(), (directory / name).exists()])
    if messages.first():
        (directory / name).unlink(missing_ok=True)
    blind = [f"process {number} on {host}" for number, (host, sees) in enumerate(seen) if not sees]
    if blind:
        raise UserError(
            f"{directory}: {' and '.join(blind)} cannot see the folder that process 0 has at {where}. All processes "
            "save what they train there: give all of them the same folder, on a file system that they share.",
            remedy="shared_workdir",
        )


def _put_token(directory: pathlib.Path) -> list[str]:
    """Puts a new file into the folder; returns its name and where the folder is."""
    with tempfile.NamedTemporaryFile(dir=directory, prefix=".seen-", delete=False) as file:
        return [pathlib.Path(file.name).name, f"{socket.gethostname()}:{directory.absolute()}"]

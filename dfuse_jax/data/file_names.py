"""Names of files that other systems wrote: hidden ones, ones that are not UTF-8, and ones with two spellings."""

import pathlib
import unicodedata
from collections.abc import Iterable

from dfuse_jax.runtime.errors import UserError
from dfuse_jax.runtime.files import escaped


def visible(folder: pathlib.Path, pattern: str) -> list[pathlib.Path]:
    """Returns the sorted paths in the folder that match a glob pattern, without hidden ones."""
    return [path for path in sorted(folder.glob(pattern)) if not is_hidden(path.relative_to(folder))]


def is_hidden(path: pathlib.Path) -> bool:
    """Tells whether a path within a folder is hidden, or lies in a folder that is.

    Hidden are names that begin with a dot (`.ipynb_checkpoints`, and `._*` by macOS on foreign disks) and `__MACOSX`
    (in ZIP archives by macOS).
    """
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def check_encoding(paths: Iterable[pathlib.Path]) -> None:
    """Raises UserError if the name of a file is not valid UTF-8, so that it could not be written into a report."""
    for path in paths:
        if not is_utf8(path.name):
            raise UserError(f"{escaped(str(path))}: the name is not valid UTF-8. Rename it.")


def is_utf8(name: str) -> bool:
    """Tells whether a name can be written as UTF-8; Python reads other bytes of a file's name as lone surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def normalized(name: str) -> str:
    """Returns the name in Unicode's composed form (NFC); macOS decomposes the names of files: e and an accent for é."""
    return unicodedata.normalize("NFC", name)


def locate(path: pathlib.Path) -> pathlib.Path:
    """Returns the path as the disk spells it, composed or decomposed; a path that is not there unchanged."""
    if path.exists() or path == path.parent:
        return path
    folder = locate(path.parent)
    if folder.is_dir():
        for entry in folder.iterdir():
            if normalized(entry.name) == normalized(path.name):
                return entry
    return path

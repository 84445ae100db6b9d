"""Files that are whole or not there, and folders that one process at a time works in."""

import contextlib
import errno
import fcntl
import os
import pathlib
import tempfile
import zlib
from collections.abc import Iterator
from typing import IO

from dfuse_jax.runtime.errors import UserError


@contextlib.contextmanager
def atomic(path: str | os.PathLike, mode: str = "w") -> Iterator[IO]:
    """Opens a file that takes the place of `path` only when the block ends without an error (write, fsync, rename).

    Text is UTF-8 whatever the locale.

    Raises:
        OSError: it cannot be written; names `path`.
    """
    path = pathlib.Path(path)
    try:
        with _replacing(path, mode) as file:
            yield file
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


@contextlib.contextmanager
def _replacing(path: pathlib.Path, mode: str) -> Iterator[IO]:
    # A long name leaves no room for the temporary one, which is longer.
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem[:40]}{path.suffix[:20]}.")
    try:
        with open(descriptor, mode, encoding=None if "b" in mode else "utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp's files are for their owner alone
        os.replace(temporary, path)
    except BaseException:
        pathlib.Path(temporary).unlink(missing_ok=True)
        raise


def checksum(path: str | os.PathLike) -> str:
    """Returns what tells files apart by their content: size and CRC-32."""
    crc, size = 0, 0
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            crc, size = zlib.crc32(block, crc), size + len(block)
    return f"{size}-{crc:08x}"


def escaped(text: str) -> str:
    r"""Returns the text with the bytes that are not UTF-8 as `\xNN`, so that it can be printed everywhere.

    Python reads such bytes of a file's name as lone surrogates, which no text file takes.
    """
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")


@contextlib.contextmanager
def locked(directory: str | os.PathLike) -> Iterator[None]:
    """Makes the folder and holds it for this process; the lock is gone with the process, however that ends.

    Raises:
        UserError: the folder cannot be written, or another process holds it.
    """
    directory = pathlib.Path(directory)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / ".lock").open("w")
    except OSError as error:
        raise UserError(f"{directory}: cannot be written ({error.strerror}).") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES):
                raise UserError(f"{directory}: another process is working there. Wait for it or stop it.") from error
            raise UserError(
                f"{directory}: cannot be locked ({error.strerror}), so another process could write there unnoticed. "
                "Choose a folder on a file system with locks."
            ) from error
        yield

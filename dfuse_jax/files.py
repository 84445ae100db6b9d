"""Files that are whole or not there."""

import contextlib
import os
import pathlib
import tempfile
import zlib


@contextlib.contextmanager
def atomic(path: str | os.PathLike, mode: str = "w"):
    """Opens a file that takes the place of `path` only when the block ends without an error (write, fsync, rename)."""
    path = pathlib.Path(path)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(descriptor, mode) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp's files are for their owner alone
        os.replace(temporary, path)
    except BaseException:
        pathlib.Path(temporary).unlink(missing_ok=True)
        raise


def checksum(path: str | os.PathLike) -> str:
    """Tells files apart by their content: size and CRC-32."""
    crc, size = 0, 0
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            crc, size = zlib.crc32(block, crc), size + len(block)
    return f"{size}-{crc:08x}"

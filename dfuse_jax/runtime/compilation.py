"""What XLA has compiled, kept for the next start."""

import os
import pathlib
import sys
import zlib

from dfuse_jax.runtime import caches

LIMIT = 2 << 30  # bytes of what is kept


def keep() -> None:
    """Turns on JAX's persistent compilation cache; where it cannot be written, nothing happens.

    It lies in `root()`, or where JAX_COMPILATION_CACHE_DIR says (empty: nowhere). The oldest files beyond
    `LIMIT` are removed; several processes may use it at once, and all of it may be deleted at any time.
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return
    folder = root() / _processor()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _prune(folder.parent)
        writable = os.access(folder, os.W_OK)
    except OSError:
        return
    if writable:
        _set("jax_compilation_cache_dir", str(folder))
        _set("jax_persistent_cache_min_compile_time_secs", 0.5)


def root() -> pathlib.Path:
    """Returns the folder of what is compiled, of all kinds of processor: ~/.cache/dfuse_jax/xla."""
    return caches.folder() / "xla"


def _set(option: str, value: str | float) -> None:
    """Sets an option of JAX that the environment leaves open, whether JAX is imported yet or not."""
    if option.upper() not in os.environ:
        os.environ[option.upper()] = str(value)
        if "jax" in sys.modules:
            sys.modules["jax"].config.update(option, value)


def _processor() -> str:
    """Tells processors apart: a home folder may be shared by hosts that do not run each other's programs."""
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return "any"
    told = sorted({line for line in lines if line.startswith(("flags", "Features", "model name", "CPU part"))})
    return f"{zlib.crc32(''.join(told).encode()):08x}"


def _prune(folder: pathlib.Path) -> None:
    files = [(path, path.stat()) for path in folder.rglob("*") if path.is_file()]
    total = sum(stat.st_size for _, stat in files)
    for path, stat in sorted(files, key=lambda file: file[1].st_mtime):
        if total <= LIMIT:
            break
        path.unlink(missing_ok=True)
        total -= stat.st_size

"""Tells what a bug report needs: versions, devices, precision, extras, and caches with how to empty them.

dfuse-info [DIR ...] [--json]

The caches of data sets lie beside the data: each DIR is searched for them.
"""

import importlib.metadata
import json
import os
import pathlib
import platform
import shlex
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from absl import flags

from dfuse_jax.constants import VERSION
from dfuse_jax.runtime import cli, compilation
from dfuse_jax.runtime.errors import UserError

CORE = (
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "orbax-checkpoint",
    "chex",
    "jaxtyping",
    "numpy",
    "ml_collections",
    "absl-py",
    "scikit-learn",
    "skops",
    "joblib",
    "scipy",
    "matplotlib",
    "pillow",
    "tqdm",
    "markdown-it-py",
)
EXTRAS = {
    "extract": ("mediapipe", "av"),
    "tfds": ("tensorflow-datasets", "tensorflow-metadata", "importlib_resources", "array_record"),
    "ray": ("mediapipe", "av", "ray"),
    "analyse": ("mediapipe", "av", "pandas", "pyarrow", "pympi-ling"),
    "tensorboard": ("tensorboardX",),
    "baseline": ("torch",),
    "gpu": ("jax-cuda12-plugin",),
}
_VARIABLES = ("JAX_", "XLA_", "CUDA_VISIBLE_DEVICES", "SLURM_NTASKS")  # beginnings of names


def main() -> None:
    """Runs the command."""
    as_json = flags.DEFINE_bool("json", False, "Print JSON.")
    cli.run(lambda argv: report(argv[1:], as_json=as_json.value))


def report(directories: Sequence[str], *, as_json: bool) -> None:
    """Prints what `collect` returns, as text or as JSON."""
    if missing := [directory for directory in directories if not pathlib.Path(directory).is_dir()]:
        raise UserError(f"{missing[0]}: no such folder. Usage: dfuse-info [DIR ...] [--json]")
    facts = collect(directories)
    print(json.dumps(facts, indent=1) if as_json else text(facts))


def collect(directories: Sequence[str] = ()) -> dict[str, Any]:
    """Returns what a bug report needs, ready for JSON; `directories` are searched for caches of data sets."""
    return {
        "dfuse_jax": {"version": VERSION, "folder": str(pathlib.Path(__file__).resolve().parents[1])},
        "python": {"version": platform.python_version(), "executable": sys.executable},
        "platform": {"system": platform.platform(), "machine": platform.machine(), "cores": os.cpu_count()},
        "packages": {name: _version(name) for name in CORE},
        "extras": {extra: {name: _version(name) for name in names} for extra, names in EXTRAS.items()},
        "jax": _jax(),
        "environment": {name: value for name, value in sorted(os.environ.items()) if name.startswith(_VARIABLES)},
        "caches": _caches(directories),
    }


def _version(name: str) -> str | None:
    """Returns the version of an installed package, None where it is missing."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _jax() -> dict[str, Any]:
    """Returns JAX's devices and precision, or the error with which it does not start."""
    try:
        import jax

        devices = jax.devices()
        return {
            "backend": jax.default_backend(),
            "platform_version": devices[0].client.platform_version,
            "devices": [
                {"platform": device.platform, "kind": device.device_kind, "memory_bytes": _memory(device)}
                for device in devices
            ],
            "float64": jax.config.values["jax_enable_x64"],
            "matmul_precision": jax.config.values["jax_default_matmul_precision"] or "default",
        }
    except Exception as error:  # a driver, a plugin or a build that does not fit: the reason to report
        return {"error": " ".join(f"{type(error).__name__}: {error}".split())}


def _memory(device: Any) -> int | None:
    """Returns the bytes that JAX may use of a device's memory, None where the device does not say."""
    return (device.memory_stats() or {}).get("bytes_limit")


def _caches(directories: Iterable[str]) -> list[dict[str, Any]]:
    """Returns what is kept on disk to save time; all of it may be deleted."""
    compiled = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    if compiled and compilation.root() in pathlib.Path(compiled).parents:
        compiled = str(compilation.root())  # of other processors too
    caches = [_cache("compiled programs", compiled)]
    if directories:
        from dfuse_jax.data import cache  # scikit-learn may be what is broken

        folders = {folder for directory in directories for folder in cache.folders(directory)}
        caches += [_cache("data", str(folder)) for folder in sorted(folders)]
    return caches


def _cache(content: str, path: str | None) -> dict[str, Any]:
    if not path:
        return {"content": content, "path": None, "bytes": 0, "empty": None}
    return {"content": content, "path": path, "bytes": _size(path), "empty": f"rm -r {shlex.quote(path)}"}


def _size(path: str) -> int:
    """Returns the bytes of the files in a folder and beneath it."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size
            except OSError:  # another process has just deleted it
                continue
    return total


def text(facts: dict[str, Any]) -> str:
    """Returns what `collect` returns as lines to paste into a bug report."""
    system, caches = facts["platform"], facts["caches"]
    lines = [
        f"dfuse_jax {facts['dfuse_jax']['version']} in {facts['dfuse_jax']['folder']}",
        f"Python {facts['python']['version']} ({facts['python']['executable']})",
        f"{system['system']}, {system['machine']}, {system['cores']} cores",
        "",
        "Packages",
        *(f"  {name} {version or 'is missing'}" for name, version in facts["packages"].items()),
        "",
        "Extras",
        *(_extra(extra, versions) for extra, versions in facts["extras"].items()),
        "",
        "Devices",
        *_devices(facts["jax"]),
        *(f"  {name}={value}" for name, value in facts["environment"].items()),
        "",
        "Caches (all of them may be deleted at any time)",
        *(_cache_line(cache) for cache in caches),
    ]
    if all(cache["content"] != "data" for cache in caches):
        lines.append("  data: in a folder cache/ beside each data set; dfuse-info DIR finds them")
    lines.append("  models: none are downloaded; Attention Mesh is a part of MediaPipe's package")
    return "\n".join(lines)


def _extra(extra: str, versions: dict[str, str | None]) -> str:
    missing = [name for name, version in versions.items() if version is None]
    installed = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    if not missing:
        return f"  {extra}: {installed}"
    known = f" ({installed})" if installed else ""
    return f'  {extra}: missing {", ".join(missing)}{known}; pip install "dfuse_jax[{extra}]"'


def _devices(facts: dict[str, Any]) -> list[str]:
    if "error" in facts:
        return [f"  JAX does not start: {facts['error']}"]
    lines = []
    for device in facts["devices"]:
        memory = device["memory_bytes"]
        size = f", {memory / 2**30:.1f} GiB" if memory else ""
        lines.append(f"  {device['platform']}: {device['kind']}{size}")
    float64 = "on" if facts["float64"] else "off"
    if facts["platform_version"] != facts["backend"]:
        lines.append(f"  {' '.join(facts['platform_version'].split())}")
    lines.append(f"  matrix products: {facts['matmul_precision']} precision; float64: {float64}")
    return lines


def _cache_line(cache: dict[str, Any]) -> str:
    if cache["path"] is None:
        return f"  {cache['content']}: none are kept"
    return f"  {cache['content']}: {cache['path']}, {cache['bytes'] / 1e6:.1f} MB; to empty it: {cache['empty']}"

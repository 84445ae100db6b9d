"""One video from file to file content: what a process of any machine does, the same whichever does it."""

import dataclasses
import importlib.metadata
import os
from collections.abc import Callable
from typing import NamedTuple

import dfuse_jax
from dfuse_jax import samples
from dfuse_jax.extract import mesh, quality
from dfuse_jax.extract.native import require
from dfuse_jax.runtime.errors import UserError


class Progress(NamedTuple):
    """Frames done of a video, and promised (0: not known)."""

    done: int
    promised: int


class Result(NamedTuple):
    """What became of a video.

    Attributes:
        content: of its .npz file; None if it failed.
        record: of it for the manifest; None if it failed.
        reason: why it failed, one line.
    """

    content: bytes | None = None
    record: dict | None = None
    reason: str | None = None


def versions() -> dict[str, str]:
    """Of what landmarks depend on; raises UserError when MediaPipe or OpenCV is not installed."""
    try:
        mediapipe = importlib.metadata.version("mediapipe")
    except importlib.metadata.PackageNotFoundError:
        mediapipe = require("mediapipe").__version__
    return {"dfuse_jax": dfuse_jax.__version__, "mediapipe": mediapipe, "opencv": require("cv2").__version__}


def work(job, on_frame: Callable[[int, int], None] | None = None) -> Result:
    """Extracts a `batch.Job`; whatever is wrong with the video is the result's reason."""
    try:
        found = mesh.examine(job.path, on_frame=on_frame)
        own = {"name": job.name, "label": job.label, "subject": job.subject}
        sample = samples.validate(dataclasses.replace(found.sample, **own))
        record = _record(job, sample, found)
        return Result(samples.encode(sample, record), record)
    except UserError as error:
        reason = str(error)
    except Exception as error:  # of native code; one video's failure must not stop the others
        reason = f"{os.fspath(job.path)}: cannot be extracted ({type(error).__name__}: {error}). Convert it to .mp4."
    return Result(reason=" ".join(reason.split()))


def _record(job, sample, found):
    return {
        "source": job.path.name,
        "checksum": sample.source,
        "label": job.label,
        "subject": job.subject,
        "frames": len(sample.landmarks),
        "fps": sample.fps,
        "size": list(sample.image_size),
        "decoded": found.decoded,
        "resampled": found.resampled,
        "interpolated": list(sample.interpolated),
        "other_faces": found.others,
        "quality": quality.measure(sample, found.lost, found.decoded),
        "versions": versions(),
    }

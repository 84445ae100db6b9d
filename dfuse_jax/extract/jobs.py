"""One video from file to file content: what a process of any machine does, the same whichever does it.

Nothing here imports JAX: a process that extracts starts in a third of the time without it, and takes no GPU's memory.
"""

import dataclasses
import importlib.metadata
import os
import pathlib
from collections.abc import Callable
from typing import NamedTuple

from dfuse_jax import samples
from dfuse_jax.constants import VERSION
from dfuse_jax.extract import recording
from dfuse_jax.extract.landmarks import Extraction, extract
from dfuse_jax.extract.native import require
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.samples import Sample


class Job(NamedTuple):
    """A video to extract.

    Attributes:
        path: the video.
        name: of the sample, and of its file <out>/<name>.npz.
        label: 1 spontaneous, 0 posed, None unknown.
        subject: who smiles; None unknown.
        pixel_aspect: width / height of a pixel as it is stored; None: what the file says, or 1.
        fps: frames per second at which it was filmed; None: what the times of its frames say.
        chips: whether its file holds the chips too.
    """

    path: pathlib.Path
    name: str
    label: int | None = None
    subject: str | None = None
    pixel_aspect: float | None = None
    fps: float | None = None
    chips: bool = False


class RecordingJob(NamedTuple):
    """A recording to extract, see `recording.record`.

    Attributes:
        path: the video.
        folder: of its landmarks.
        pixel_aspect: width / height of a pixel as it is stored; None: what the file says, or 1.
        fps: frames per second at which it was filmed; None: what the times of its frames say.
    """

    path: pathlib.Path
    folder: pathlib.Path
    pixel_aspect: float | None = None
    fps: float | None = None


class Progress(NamedTuple):
    """Frames done of a video, and promised (0: not known)."""

    done: int
    promised: int


class Result(NamedTuple):
    """What a job gave: content and record, or the reason why there are none; a recording has neither, being on disk.

    Attributes:
        content: of the sample's .npz file.
        record: of the extraction (JSON), which is in the content too.
        reason: why the video cannot be extracted, one line.
    """

    content: bytes | None = None
    record: dict | None = None
    reason: str | None = None


def versions() -> dict[str, str]:
    """Returns the versions of what landmarks depend on; raises UserError when MediaPipe or PyAV is not installed."""
    return {"dfuse_jax": VERSION, "mediapipe": _version("mediapipe"), "av": _version("av")}


def options(job: Job) -> dict[str, float | None]:
    """Returns what a job asks for: what it says of its video, on which landmarks depend, and chips if it wants them."""
    chips = {"chips": True} if job.chips else {}
    return {"pixel_aspect": job.pixel_aspect, "true_fps": job.fps, **chips}


def work(job: Job | RecordingJob, on_frame: Callable[[int, int], None] | None = None) -> Result:
    """Extracts the video of a job; whatever is wrong with it is the result's reason."""
    try:
        if isinstance(job, RecordingJob):
            recording.record(job.path, job.folder, pixel_aspect=job.pixel_aspect, fps=job.fps, on_frame=on_frame)
            return Result()
        extraction = extract(job.path, pixel_aspect=job.pixel_aspect, fps=job.fps, on_frame=on_frame)
        sample = dataclasses.replace(extraction.sample, name=job.name, label=job.label, subject=job.subject)
        sample = samples.validate(sample)
        record = _record(job, sample, extraction)
        return Result(content=samples.encode(sample, record, chips=job.chips), record=record)
    except UserError as error:
        reason = str(error)
    except Exception as error:  # of native code; one video's failure must not stop the others
        reason = f"{os.fspath(job.path)}: cannot be extracted ({type(error).__name__}: {error}). Convert it to .mp4."
    return Result(reason=" ".join(reason.split()))


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return require(package).__version__


def _record(job: Job, sample: Sample, extraction: Extraction) -> dict:
    return {
        "source": job.path.name,
        "checksum": sample.source,
        "label": job.label,
        "subject": job.subject,
        **options(job),
        "frames": len(sample.landmarks),
        "fps": sample.fps,
        "size": list(sample.image_size),
        "decoded": extraction.decoded,
        "lost": extraction.lost,
        "resampled": extraction.resampled,
        "interpolated": list(sample.interpolated),
        "other_faces": extraction.other_faces,
        "notes": list(extraction.notes),
        "versions": versions(),
    }

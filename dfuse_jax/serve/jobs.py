"""Videos that are sent to the API: each is analysed in a process of its own, one at a time, and its file is deleted.

A hostile file can end that process, and nothing else.
"""

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import io
import json
import os
import pathlib
import resource
import secrets
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from multiprocessing.connection import Connection
from typing import Any

from dfuse_jax.runtime import children, compilation
from dfuse_jax.runtime.children import Child
from dfuse_jax.runtime.errors import UserError

QUEUED, RUNNING, DONE, FAILED = "queued", "running", "done", "failed"
NAME = "upload"  # of the video's file; that of the sender is never one here
MOST_MEMORY = 12 << 30  # bytes of address space, of which JAX and MediaPipe reserve more than they use
RATE = 120  # frames a second at most, where a file does not say how long it is
# How the files begin that are taken, after so many bytes. FFmpeg reads much else: playlists, for one, which name files
# and addresses that are then read in their place.
KINDS = (
    *((4, box) for box in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")),
    (0, b"\x1aE\xdf\xa3"),
    (0, b"RIFF"),
)
KIND_NAMES = "MP4, MOV, MKV, WebM or AVI"


@dataclasses.dataclass(frozen=True)
class Limits:
    """What is taken of a video.

    Attributes:
        bytes: of its file.
        seconds: of its duration.
        pixels: of a frame.
        waiting: how many videos may wait, one more being worked on.
        kept: seconds for which the results of a finished one are kept.
        working: seconds that one may take.
    """

    bytes: int = 200 << 20
    seconds: float = 600.0
    pixels: int = 1920 * 1088
    waiting: int = 3
    kept: float = 600.0
    working: float = 1800.0


class RefusedError(Exception):
    """A video is not taken; has the HTTP status and the reason."""

    def __init__(self, status: int, reason: str):
        super().__init__(reason)
        self.status = status


@dataclasses.dataclass
class Job:
    """A video on its way.

    Attributes:
        id: which nobody can guess.
        status: QUEUED, RUNNING, DONE or FAILED.
        frames: that are done.
        promised: frames in all, as its file says; 0 where it does not.
        reason: why it failed.
        smiles: a row each, {column: value}.
        columns: of the rows, in order.
        notes: what a user should know, whole sentences.
        ended: when it was done or failed, of the clock time.monotonic().
        finished: is set then.
    """

    id: str
    status: str = QUEUED
    frames: int = 0
    promised: int = 0
    reason: str = ""
    smiles: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    ended: float = 0.0
    finished: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)

    def as_json(self) -> dict[str, Any]:
        """Returns what the API says of it."""
        state = {"id": self.id, "status": self.status, "frames": self.frames, "promised": self.promised}
        if self.status == FAILED:
            return {**state, "reason": self.reason}
        return {**state, "smiles": self.smiles, "notes": list(self.notes)} if self.status == DONE else state

    def as_csv(self) -> str:
        """Returns the rows as `smiles.csv` has them."""
        import csv

        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        for row in self.smiles:
            values = [row[column] for column in self.columns]
            writer.writerow(["" if x is None else f"{x:.7g}" if isinstance(x, float) else x for x in values])
        return text.getvalue()


class Jobs:
    """The videos under way.

    Args:
        folder: where their files are.
        checkpoint: what judges their smiles; None: nobody.
        models: how many of its models; None: all.
        limits: of a video.
    """

    def __init__(self, folder: str, *, checkpoint: str | None, models: int | None, limits: Limits):
        self.folder, self.limits = folder, limits
        self._checkpoint, self._models = checkpoint, models
        self._jobs: dict[str, Job] = {}
        self._reserved = 0
        self._one = asyncio.Lock()
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "job")
        self._child: Child | None = None
        self._tasks: set[asyncio.Task] = set()

    @property
    def waiting(self) -> int:
        """How many videos are received, wait, or are worked on."""
        return self._reserved + sum(job.status in (QUEUED, RUNNING) for job in self._jobs.values())

    def get(self, job_id: str) -> Job | None:
        """Returns a job that is not forgotten yet."""
        now = time.monotonic()
        for other in list(self._jobs.values()):
            if other.ended and now - other.ended > self.limits.kept:
                del self._jobs[other.id]
        return self._jobs.get(job_id)

    def forget(self, job_id: str) -> None:
        """Drops the results of a finished job."""
        self._jobs.pop(job_id, None)

    async def add(self, body: AsyncIterator[bytes], *, announced: int | None) -> Job:
        """Receives a video.

        Args:
            body: its file.
            announced: how many bytes the sender says that it has.

        Raises:
            RefusedError: it is not taken.
        """
        limits = self.limits
        if announced is not None and announced > limits.bytes:
            raise RefusedError(413, f"The file has {announced} bytes; up to {limits.bytes} are taken.")
        if self.waiting > limits.waiting:
            raise RefusedError(503, "Too many videos are waiting. Try again later.")
        if shutil.disk_usage(self.folder).free < 3 * limits.bytes:
            raise RefusedError(507, "The server's disk is nearly full.")
        self._reserved += 1
        folder = tempfile.mkdtemp(dir=self.folder)
        try:
            await _receive(body, pathlib.Path(folder) / NAME, limits.bytes)
            job = Job(secrets.token_urlsafe(16))
            self._jobs[job.id] = job
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            self._reserved -= 1
        task = asyncio.create_task(self._work(job, folder))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return job

    async def _work(self, job: Job, folder: str) -> None:
        reason: str | None = "The server was stopped."
        try:
            async with self._one:
                job.status = RUNNING
                reason = await asyncio.get_running_loop().run_in_executor(self._thread, self._follow, job, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)  # who is told that it has ended finds no file
            job.status, job.reason = (DONE, "") if reason is None else (FAILED, reason)
            job.ended = time.monotonic()
            job.finished.set()

    def _follow(self, job: Job, folder: str) -> str | None:
        """Has a process analyse the video, and notes what it reports; returns why it failed, None if it did not."""
        limits = self.limits
        arguments = (folder, self._checkpoint, self._models, limits.pixels, limits.seconds)
        child = self._child = Child(__name__, "serve", *arguments)
        start = time.monotonic()
        try:
            while True:
                left = limits.working - (time.monotonic() - start)
                if left <= 0 or not child.connection.poll(left):
                    return f"It takes longer than {limits.working:g} seconds."
                kind, content = child.connection.recv()
                if kind == "progress":
                    job.frames, job.promised = content
                    if job.frames > limits.seconds * RATE:
                        return f"The video is longer than {limits.seconds:g} seconds."
                elif kind == "failed":
                    return content
                else:
                    job.columns, job.smiles, job.notes = content
                    return None
        except (EOFError, OSError):
            return f"The process that read the video died ({child.cause_of_death()})."
        finally:
            self._child = None
            child.end()

    def end(self) -> None:
        """Ends what is under way."""
        for task in self._tasks:
            task.cancel()
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError):
                self._child.process.kill()
        self._thread.shutdown(wait=True, cancel_futures=True)


async def _receive(body: AsyncIterator[bytes], path: pathlib.Path, most: int) -> None:
    """Writes a file as it comes; raises RefusedError where it is too large or of another kind."""
    size, head = 0, b""
    with path.open("wb") as file:
        async for chunk in body:
            size += len(chunk)
            if size > most:
                raise RefusedError(413, f"The file has more than {most} bytes.")
            if len(head) < 16:
                head += chunk[:16]
                if len(head) >= 16:
                    _check_kind(head)
            file.write(chunk)
    _check_kind(head)


def _check_kind(head: bytes) -> None:
    if not any(head[place : place + len(mark)] == mark for place, mark in KINDS):
        raise RefusedError(415, f"That is no {KIND_NAMES} file.")


def serve(
    connection: Connection,
    folder: str,
    checkpoint: str | None,
    models: int | None,
    most_pixels: int,
    most_seconds: float,
) -> None:
    """Runs in the job's process: analyses the video in the folder, and sends progress and then the rows."""
    children.at_parents_end(lambda: shutil.rmtree(folder, ignore_errors=True))
    os.nice(5)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # no progress bar
    compilation.keep()
    try:
        check(pathlib.Path(folder) / NAME, most_pixels=most_pixels, most_seconds=most_seconds)
        connection.send(("done", _analyse(connection, folder, checkpoint, models)))
    except UserError as error:
        connection.send(("failed", _without_path(str(error), folder)))


def check(path: pathlib.Path, *, most_pixels: int, most_seconds: float) -> None:
    """Raises UserError for a video that is too long or too large as its file says, before a frame is decoded."""
    from dfuse_jax.extract.native import require

    av = require("av")
    try:
        with av.open(os.fspath(path), metadata_errors="replace") as container:
            duration = (container.duration or 0) / 1e6
            sizes = [(stream.codec_context.width, stream.codec_context.height) for stream in container.streams.video]
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise UserError("The video is cut off or damaged.") from error
    if duration > most_seconds:
        raise UserError(f"The video lasts {duration:.0f} seconds; up to {most_seconds:g} are taken.")
    for width, height in sizes:
        if width * height > most_pixels:
            raise UserError(f"The video has {width} x {height} pixels; up to {most_pixels} in all are taken.")


def _analyse(
    connection: Connection, folder: str, checkpoint: str | None, models: int | None
) -> tuple[tuple[str, ...], list[dict[str, Any]], tuple[str, ...]]:
    from dfuse_jax.experiments import analyse

    analysis = analyse.analyse_all(
        [pathlib.Path(folder) / NAME],
        pathlib.Path(folder) / "out",
        checkpoint=checkpoint,
        models=models,
        workers=1,
        on_progress=lambda progress: connection.send(("progress", tuple(progress))),
    )
    if analysis.failed:
        raise UserError(" ".join(analysis.failed.values()))
    rows = json.loads(analysis.smiles.to_json(orient="records", double_precision=15) or "[]")
    return tuple(analysis.smiles.columns), rows, analysis.notes.get(NAME, ())


def _without_path(reason: str, folder: str) -> str:
    """Returns a reason without the file's name, which is of no use to the sender."""
    return reason.replace(f"{os.path.join(folder, NAME)}: ", "The video: ").replace(folder, "")

"""Videos side by side in processes of this machine, one Attention Mesh each.

Not concurrent.futures: there one process that dies takes all that is under way with it.
"""

import contextlib
import os
import time
from collections.abc import Callable, Generator, Iterable
from multiprocessing import connection
from multiprocessing.connection import Connection
from typing import Generic, TypeVar

from dfuse_jax.extract import mesh
from dfuse_jax.extract.jobs import Job, Progress, RecordingJob, Result, work
from dfuse_jax.runtime.children import Child
from dfuse_jax.runtime.errors import UserError

SomeJob = TypeVar("SomeJob", Job, RecordingJob)

PAUSE = 0.2  # seconds between two reports of progress


def cores() -> int:
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(jobs: Iterable[SomeJob], workers: int | None = None) -> Generator[tuple[SomeJob, Progress | Result]]:
    """Extracts the jobs, at most `workers` (None: one per core) at a time.

    Yields:
        (job, Progress) while a video is read, and (job, Result) once at its end, in the order in which they end.

    Raises:
        UserError: no process can be started that extracts.
    """
    jobs = iter(jobs)
    crew: list[_Worker[SomeJob]] = []
    able = False
    try:
        while True:
            while len(crew) < (workers or cores()) and (job := next(jobs, None)) is not None:
                crew.append(_Worker(job))
            if not crew:
                return
            for ready in connection.wait([worker.connection for worker in crew]):
                worker = next(worker for worker in crew if worker.connection is ready)
                job, message = worker.job, worker.receive()
                able = able or worker.ready
                if not able:  # nor will the next one be
                    raise UserError(f"No process can be started that extracts. {worker.death}")
                if isinstance(message, Result):
                    if not worker.death and (following := next(jobs, None)) is not None:
                        worker.give(following)
                    else:
                        worker.end()
                        crew.remove(worker)
                if message is not None:
                    yield job, message
    finally:
        for worker in crew:
            worker.end()


class _Worker(Generic[SomeJob]):
    """A new Python process, and the job that it is at.

    Attributes:
        job: what it extracts now.
        ready: whether it has loaded its networks.
        death: how it died; None as long as it lives.
    """

    def __init__(self, job: SomeJob):
        self.child = Child(__name__, "serve")
        self.ready = False
        self.death: str | None = None
        self.give(job)

    @property
    def connection(self):
        return self.child.connection

    def give(self, job: SomeJob) -> None:
        self.job = job
        with contextlib.suppress(OSError):  # it has died: `receive` will say so
            self.connection.send(job)

    def receive(self) -> Progress | Result | None:
        """Returns its next message; None when it has become ready."""
        try:
            message = self.connection.recv()
        except (EOFError, OSError):
            self.death = self.child.cause_of_death()
            return Result(reason=f"{self.job.path}: the process that read it died ({self.death}). Convert it to .mp4.")
        if isinstance(message, UserError):
            raise message
        self.ready = self.ready or message is None
        return message

    def end(self) -> None:
        self.child.end()  # it writes nothing, so nothing is lost


def serve(pipe: Connection) -> None:
    """Runs in the other process: sends None when it is ready, then takes jobs and sends their Progress and Result."""
    try:
        mesh.networks()
    except UserError as error:
        pipe.send(error)
        return
    pipe.send(None)
    while True:
        pipe.send(work(pipe.recv(), _reporter(pipe)))


def _reporter(pipe: Connection) -> Callable[[int, int], None]:
    last = time.monotonic()

    def on_frame(done: int, promised: int) -> None:
        nonlocal last
        if (now := time.monotonic()) - last > PAUSE:
            last = now
            pipe.send(Progress(done, promised))

    return on_frame

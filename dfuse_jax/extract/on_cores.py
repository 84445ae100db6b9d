"""Videos side by side in processes of this machine, one Attention Mesh each.

Not concurrent.futures: there one process that dies takes all that is under way with it.
"""

import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator

from dfuse_jax.extract.jobs import Progress, Result, work
from dfuse_jax.extract.native import require
from dfuse_jax.extract.solutions import prepare
from dfuse_jax.runtime.errors import UserError

PAUSE = 0.2  # seconds between two signs of life
_START = '{} It had just started: a script that calls extract_all must do so under if __name__ == "__main__".'


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(jobs: Iterable, workers: int | None = None) -> Iterator[tuple]:
    """Extracts the jobs, at most `workers` (None: one per core) at a time.

    Yields:
        (job, Progress) while a video is read, and (job, Result) once at its end, in the order in which they end.

    Raises:
        UserError: no process can be started that extracts.
    """
    jobs, crew, able = iter(jobs), [], False
    try:
        while True:
            while len(crew) < (workers or cores()) and (job := next(jobs, None)) is not None:
                crew.append(_Worker(job))
            if not crew:
                return
            for connection in multiprocessing.connection.wait([worker.connection for worker in crew]):
                worker = next(worker for worker in crew if worker.connection is connection)
                message, job = worker.hear(), worker.job
                able = able or worker.ready
                if not able:  # nor will the next one be
                    raise UserError(_START.format(message.reason))
                if isinstance(message, Result):
                    if not worker.ended and (following := next(jobs, None)) is not None:
                        worker.give(following)
                    else:
                        worker.end()
                        crew.remove(worker)
                if message is not None:
                    yield job, message
    finally:
        for worker in crew:
            worker.end()


class _Worker:
    """A process and the job that it is at. MediaPipe does not survive a fork, so it is spawned."""

    def __init__(self, job):
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs,), daemon=True)
        with on_interrupt(signal.SIG_IGN):  # Ctrl-C reaches all processes of a terminal; this one ends the others
            self.process.start()
        theirs.close()
        self.ready, self.ended = False, False
        self.give(job)

    def give(self, job):
        self.job = job
        with contextlib.suppress(OSError):  # it has died: `hear` will tell
            self.connection.send(job)

    def hear(self) -> Progress | Result | None:
        """What it says; None when it says that it is ready."""
        try:
            message = self.connection.recv()
        except (EOFError, OSError):
            return self._dead()
        if isinstance(message, UserError):
            raise message
        self.ready = self.ready or message is None
        return message

    def _dead(self):
        self.ended = True
        self.process.join(10)
        code = self.process.exitcode
        how = f"signal {-code}, {signal.strsignal(-code)}" if code and code < 0 else f"exit code {code}"
        memory = "; the system may have run out of memory, try fewer workers" if code == -signal.SIGKILL else ""
        return Result(reason=f"{self.job.path}: the process that read it died ({how}{memory}). Convert it to .mp4.")

    def end(self):
        self.connection.close()
        self.process.kill()  # it writes nothing, so nothing is lost
        self.process.join()


@contextlib.contextmanager
def on_interrupt(handler):
    """Lets Ctrl-C do something else within the block; only the main thread may."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def _serve(connection):
    """The other process: says None when it is ready, then takes a job and says its Progress and Result, and again."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        require("cv2").setNumThreads(1)
        prepare()
    except UserError as error:
        connection.send(error)
        return
    connection.send(None)
    with contextlib.suppress(EOFError):
        while True:
            connection.send(work(connection.recv(), _teller(connection)))


def _end_with_parent():
    multiprocessing.parent_process().join()
    os._exit(1)


def _teller(connection):
    last = time.monotonic()

    def on_frame(done, promised):
        nonlocal last
        if (now := time.monotonic()) - last > PAUSE:
            last = now
            connection.send(Progress(done, promised))

    return on_frame

"""What routes use, started before any answer: what judges, trackers, jobs and the folder for temporary files."""

import asyncio
import contextlib
import dataclasses
import os
import pathlib
import re
import shutil
import tempfile
from collections.abc import AsyncIterator

from dfuse_jax.serve import session
from dfuse_jax.serve.jobs import Jobs, Limits
from dfuse_jax.serve.tracker import Tracker
from dfuse_jax.serve.verdicts import Judge, Model

FOLDERS = "dfuse_serve-"  # how the names of the temporary folders begin; the number of the server's process follows


@dataclasses.dataclass(frozen=True)
class Options:
    """What a server is asked to do.

    Attributes:
        checkpoint: folder of a finished run, or an exported model, which judges; None: nobody judges.
        models: how many of its models; None: all.
        hosts: names by which the server may be called, beside those of this machine.
        token: that a viewer has to know; None: none.
        viewers: at once.
        limits: of videos that are sent.
        uploads: a second, for long.
    """

    checkpoint: str | None = None
    models: int | None = None
    hosts: tuple[str, ...] = ()
    token: str | None = None
    viewers: int = 8
    limits: Limits = Limits()  # noqa: RUF009 - numbers, which nobody can change
    uploads: float = 2.0


@dataclasses.dataclass
class Services:
    """What runs beside the server.

    Attributes:
        options: what was asked for.
        judge: judges smiles; None: nobody does.
        model: what it is.
        jobs: videos that were sent.
        trackers: find faces.
        viewers: how many there are now.
    """

    options: Options
    judge: Judge | None
    model: Model | None
    jobs: Jobs
    trackers: "Trackers"
    viewers: int = 0


@contextlib.asynccontextmanager
async def started(options: Options) -> AsyncIterator[Services]:
    """Starts and compiles everything, and ends it with the block; no file is left behind.

    Raises:
        UserError: the model cannot be loaded, or MediaPipe is not installed.
    """
    _remove_leftovers()
    folder = tempfile.mkdtemp(prefix=f"{FOLDERS}{os.getpid()}-")
    judge = Judge(options.checkpoint, options.models, folder) if options.checkpoint is not None else None
    jobs = Jobs(folder, checkpoint=options.checkpoint, models=options.models, limits=options.limits)
    trackers = Trackers()
    try:
        await trackers.prepare()
        session.prepare()
        model = await judge.start() if judge is not None else None
        yield Services(options, judge, model, jobs, trackers)
    finally:
        jobs.end()
        await trackers.end()
        if judge is not None:
            judge.end()
        shutil.rmtree(folder, ignore_errors=True)


class Trackers:
    """Processes that find faces, one of them always ahead, so that a viewer need not wait for it to start."""

    def __init__(self):
        self._spare: Tracker | None = None
        self._used: set[Tracker] = set()

    async def prepare(self) -> None:
        """Starts the first one; raises UserError if none can be started."""
        self._spare = Tracker()
        await self._spare.ready()

    async def take(self) -> Tracker:
        """Returns one that is ready; raises TrackerError or UserError if there is none."""
        spare, self._spare = self._spare, None
        tracker = spare if spare is not None and spare.alive else Tracker()
        if spare is not tracker and spare is not None:
            await asyncio.to_thread(spare.end)
        self._spare = Tracker()
        self._used.add(tracker)
        try:
            await tracker.ready()
        except BaseException:
            await self.give_back(tracker)
            raise
        return tracker

    async def give_back(self, tracker: Tracker) -> None:
        """Ends one, and with it what it knows of a face."""
        self._used.discard(tracker)
        await asyncio.to_thread(tracker.end)

    async def end(self) -> None:
        """Ends all."""
        for tracker in (*self._used, *([self._spare] if self._spare else [])):
            await asyncio.to_thread(tracker.end)


def _remove_leftovers() -> None:
    """Removes the temporary files of servers that were killed together with all their processes."""
    for path in pathlib.Path(tempfile.gettempdir()).glob(f"{FOLDERS}*"):
        match = re.fullmatch(rf"{FOLDERS}(\d+)-\w+", path.name)
        if match and not path.is_symlink() and path.stat().st_uid == os.getuid() and not _runs(int(match[1])):
            shutil.rmtree(path, ignore_errors=True)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True

"""Many videos to landmarks, on all cores or many machines; what is done already is not done again."""

import contextlib
import errno
import os
import pathlib
import signal
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from dfuse_jax.extract import on_cores, on_ray
from dfuse_jax.extract.jobs import Progress, versions
from dfuse_jax.extract.manifest import Manifest
from dfuse_jax.extract.progress import Bar
from dfuse_jax.extract.resume import look
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.runtime.files import atomic, locked

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # no other video's file could be written either


class Job(NamedTuple):
    """A video to extract.

    Attributes:
        path: the video.
        name: of the sample, and of its file <out>/<name>.npz.
        label: 1 spontaneous, 0 posed, None unknown.
        subject: who smiles; None unknown.
    """

    path: pathlib.Path
    name: str
    label: int | None = None
    subject: str | None = None


class Outcome(NamedTuple):
    """What became of the jobs.

    Attributes:
        extracted: {name: <out>/<name>.npz}, in the order of the jobs.
        failed: {name: reason}, one line each.
    """

    extracted: dict[str, pathlib.Path]
    failed: dict[str, str]


def extract_all(
    jobs: Sequence[Job], out: pathlib.Path, *, workers: int | None = None, ray: str | None = None
) -> Outcome:
    """Makes <out>/<name>.npz of every job, and <out>/manifest.json; no file depends on who made it, or in what order.

    A file that was made from the same video (by its checksum) by the same versions is kept; where only label or subject
    differ, it gets these. A kill, Ctrl-C or a full disk lose only the videos under way: the same call goes on there.

    Args:
        jobs: the videos.
        out: the folder; made if it is not there.
        workers: how many videos at a time; None: one per core.
        ray: None: on this machine; "local" or a cluster's address: by Ray, `cluster` says what it needs.

    Returns:
        What was extracted, or was there already, and what failed: a video's failure does not stop the others.

    Raises:
        UserError: nothing can be extracted (the folder cannot be written or is full, what is needed is not installed).
    """
    out = pathlib.Path(out)
    jobs = [job._replace(path=pathlib.Path(job.path)) for job in jobs]
    _make(out)
    # Ctrl-C raises here, so that no process is left behind, whatever it does elsewhere.
    raising = on_cores.on_interrupt(signal.default_int_handler)
    with locked(out), raising, Manifest(out) as manifest, Bar([job.path for job in jobs]) as bar:
        return _Batch(out, manifest, bar).run(jobs, workers, ray)


class _Batch:
    """The jobs of one call: which are to be done, and what became of them."""

    def __init__(self, out, manifest, bar):
        self.out, self.manifest, self.bar = out, manifest, bar
        self.versions, self.extracted, self.failed = versions(), set(), {}
        for leftover in out.glob(".*.npz.*"):  # of a killed process; nobody else works here
            leftover.unlink(missing_ok=True)

    def run(self, jobs, workers, ray) -> Outcome:
        todo = self._todo(jobs)
        with contextlib.closing(on_ray.run(todo, ray, workers) if ray else on_cores.run(todo, workers)) as events:
            for job, event in events:
                if isinstance(event, Progress):
                    self.bar.move(job.path, event)
                    continue
                self.bar.end(job.path, event.record["decoded"] if event.record else 0, failed=event.content is None)
                if event.content is None:
                    self._fail(job, event.reason)
                else:
                    self._write(job, event.content, event.record)
        extracted = {job.name: self._file(job) for job in jobs if job.name in self.extracted}
        return Outcome(extracted, {job.name: self.failed[job.name] for job in jobs if job.name in self.failed})

    def _todo(self, jobs) -> Iterator[Job]:
        taken = {}
        for job in jobs:
            try:
                there = self._look(job, taken)
            except UserError as error:
                self._fail(job, str(error))
                self.bar.skip(job.path)
                continue
            if not there.record:
                yield job
                continue
            if there.content:
                self._write(job, there.content, there.record)
            else:
                self._done(job, there.record)
            self.bar.skip(job.path)

    def _look(self, job, taken):
        if job.name != pathlib.PurePath(job.name).name or job.name.startswith("."):
            raise UserError(f"{job.path}: {job.name!r} cannot name a file. Give it another name.")
        first = taken.setdefault(job.name, job)
        if first is not job:
            raise UserError(f"{job.path}: would be written to {job.name}.npz like {first.path}. Rename one of them.")
        return look(job, self._file(job), self.versions)

    def _write(self, job, content, record):
        path = self._file(job)
        try:
            with atomic(path, "wb") as file:
                file.write(content)
        except OSError as error:
            if error.errno in FULL:
                raise UserError(
                    f"{path}: cannot be written ({error.strerror}). The {len(self.extracted)} videos extracted so far "
                    "are kept: make room and run again."
                ) from error
            self._fail(job, f"{job.path}: {path} cannot be written ({error.strerror}).")
            return
        self._done(job, record)

    def _done(self, job, record):
        self.extracted.add(job.name)
        self.manifest.add(job.name, record)

    def _fail(self, job, reason):
        self.failed[job.name] = "; ".join(filter(None, (self.failed.get(job.name), reason)))
        self.manifest.add(job.name, {"source": job.path.name, "error": reason})

    def _file(self, job):
        return self.out / f"{job.name}.npz"


def _make(out):
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {out}: cannot be made a folder ({error.strerror}). Name another.") from error
    if not os.access(out, os.W_OK):
        raise UserError(f"--out {out}: may not be written to. Name another.")

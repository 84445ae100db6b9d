"""Many videos to landmarks, on all cores or many machines; what is done already is not done again."""

import contextlib
import dataclasses
import errno
import os
import pathlib
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tqdm import tqdm

from dfuse_jax import samples
from dfuse_jax.extract import on_cores, on_ray
from dfuse_jax.extract.jobs import Job, Progress, Result, options, versions
from dfuse_jax.extract.manifest import Manifest
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.runtime.files import atomic, checksum, locked

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # no other video's file could be written either
BAR = "{percentage:3.0f}%|{bar}| {postfix} [{elapsed}<{remaining}]"


class Outcome(NamedTuple):
    """What became of the jobs.

    Attributes:
        extracted: {name: <out>/<name>.npz}, in the order of the jobs.
        failed: {name: reason}, one line each.
    """

    extracted: dict[str, pathlib.Path]
    failed: dict[str, str]


def extract_all(
    jobs: Sequence[Job], out: str | os.PathLike, *, workers: int | None = None, ray: str | None = None
) -> Outcome:
    """Makes <out>/<name>.npz of every job, and <out>/manifest.json; no file depends on who made it, or in what order.

    A file that was made from the same video (by its checksum) by the same versions with the same pixel aspect and frame
    rate is kept; where only label or subject differ, it gets these. Where chips are asked for and it has none, the
    video is extracted once more. A kill, Ctrl-C or a full disk lose only the videos under way: the same call goes on
    there.

    Args:
        jobs: the videos.
        out: the folder; made if it is not there.
        workers: how many videos at a time; None: one per core.
        ray: None: on this machine; "local" or a cluster's address: by Ray, `on_ray` says what it needs.

    Returns:
        What was extracted, now or before, and what failed: a video's failure does not stop the others.

    Raises:
        UserError: nothing can be extracted (the folder cannot be written or is full, what is needed is not installed).
    """
    out = pathlib.Path(out)
    jobs = [job._replace(path=pathlib.Path(job.path)) for job in jobs]
    _make(out)
    with locked(out), Manifest(out) as manifest, Bar([job.path for job in jobs]) as bar:
        return _Batch(out, manifest, bar).run(jobs, workers, ray)


class _Batch:
    """The jobs of one call: which are to be done, and what became of them."""

    def __init__(self, out: pathlib.Path, manifest: Manifest, bar: "Bar"):
        self.out, self.manifest, self.bar = out, manifest, bar
        self.versions = versions()
        self.extracted: set[str] = set()
        self.failed: dict[str, str] = {}
        for leftover in out.glob(".*.npz.*"):  # of a killed process; nobody else works here
            leftover.unlink(missing_ok=True)

    def run(self, jobs: Sequence[Job], workers: int | None, ray: str | None) -> Outcome:
        todo = self._todo(jobs)
        with contextlib.closing(on_ray.run(todo, ray, workers) if ray else on_cores.run(todo, workers)) as events:
            for job, event in events:
                if isinstance(event, Progress):
                    self.bar.move(job.path, event)
                else:
                    self._finish(job, event)
        extracted = {job.name: self._file(job) for job in jobs if job.name in self.extracted}
        return Outcome(extracted, {job.name: self.failed[job.name] for job in jobs if job.name in self.failed})

    def _todo(self, jobs: Sequence[Job]) -> Iterator[Job]:
        by_name: dict[str, Job] = {}
        for job in jobs:
            try:
                _check_name(job, by_name.setdefault(job.name, job))
                if not self._is_done(job):
                    yield job
                    continue
            except UserError as error:
                self._fail(job, str(error))
            self.bar.skip(job.path)

    def _is_done(self, job: Job) -> bool:
        """Whether the job's file is what extraction would give; one of another label or subject is made so.

        Raises:
            UserError: the file was made from another video, or the job's label is none.
        """
        path = self._file(job)
        try:
            record = samples.load_record(path)
            made_from = record["checksum"] if record else samples.load(path).source
            source = checksum(job.path)
        except (OSError, UserError, KeyError, TypeError):  # no file, or damaged; no video to read: a worker will say so
            return False
        if made_from and made_from != source:
            raise UserError(
                f"{job.path}: {path} holds another video's landmarks. Delete it, rename the video, or extract to "
                "another folder."
            )
        if not record or record.get("versions") != self.versions or not options(job).items() <= record.items():
            return False
        changed = record | {"label": job.label, "subject": job.subject}
        if changed == record:
            self._note(job, record)
            return True
        try:
            sample = samples.load(path)
        except UserError:
            return False
        sample = samples.validate(dataclasses.replace(sample, label=job.label, subject=job.subject))
        self._write(job, samples.encode(sample, changed, chips="chips" in record), changed)
        return True

    def _finish(self, job: Job, result: Result) -> None:
        if result.content is None or result.record is None:
            self.bar.end(job.path, frames=0, failed=True)
            self._fail(job, result.reason or "")
        else:
            self.bar.end(job.path, frames=result.record["decoded"], failed=False)
            self._write(job, result.content, result.record)

    def _write(self, job: Job, content: bytes, record: dict) -> None:
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
        self._note(job, record)

    def _note(self, job: Job, record: dict) -> None:
        self.extracted.add(job.name)
        self.manifest.add(job.name, record)

    def _fail(self, job: Job, reason: str) -> None:
        self.failed[job.name] = "; ".join(filter(None, (self.failed.get(job.name), reason)))
        self.manifest.add_failure(job.name, job.path.name, reason)

    def _file(self, job: Job) -> pathlib.Path:
        return self.out / f"{job.name}.npz"


class Bar:
    """A progress bar in bytes of video, which are known at the start, as frames are not: share, time left, frames/s."""

    def __init__(self, paths: Sequence[pathlib.Path]):
        self.sizes = {path: path.stat().st_size if path.is_file() else 0 for path in paths}
        self.bar = tqdm(total=sum(self.sizes[path] for path in paths), bar_format=BAR, smoothing=0, disable=None)
        self.videos, self.ended, self.failed = len(paths), 0, 0
        self.bytes, self.frames, self.start = 0.0, 0, time.monotonic()  # of the videos that have ended
        self.under_way: dict[pathlib.Path, tuple[float, int]] = {}  # bytes and frames so far

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.bar.close()

    def skip(self, path: pathlib.Path) -> None:
        """Counts a video that need not be extracted neither as work done nor as work to do."""
        self.ended += 1
        self.bar.total -= self.sizes[path]
        self._show()

    def move(self, path: pathlib.Path, progress: Progress) -> None:
        """Shows that some frames of a video are done."""
        share = min(1, progress.done / progress.promised) if progress.promised else 0
        self.under_way[path] = share * self.sizes[path], progress.done
        self._show()

    def end(self, path: pathlib.Path, *, frames: int, failed: bool) -> None:
        """Shows that a video is done; `frames` of it were decoded."""
        self.under_way.pop(path, None)
        self.ended += 1
        self.failed += failed
        self.bytes += self.sizes[path]
        self.frames += frames
        self._show()

    def _show(self) -> None:
        done = self.bytes + sum(size for size, _ in self.under_way.values())
        frames = self.frames + sum(frames for _, frames in self.under_way.values())
        rate = frames / max(1e-3, time.monotonic() - self.start)
        failed = f", {self.failed} failed" if self.failed else ""
        self.bar.set_postfix_str(f"{self.ended}/{self.videos} videos{failed}, {rate:.0f} frames/s", refresh=False)
        self.bar.update(done - self.bar.n)


def _check_name(job: Job, first: Job) -> None:
    """Raises UserError if the job's sample cannot be a file of its name; `first` is the first job of that name."""
    if job.name != pathlib.PurePath(job.name).name or job.name.startswith("."):
        raise UserError(f"{job.path}: {job.name!r} cannot name a file. Give it another name.")
    if first is not job:
        raise UserError(f"{job.path}: would be written to {job.name}.npz like {first.path}. Rename one of them.")


def _make(out: pathlib.Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{out}: cannot be made a folder ({error.strerror}). Name another one.") from error
    if not os.access(out, os.W_OK):
        raise UserError(f"{out}: is a folder that may not be written to. Name another one.")

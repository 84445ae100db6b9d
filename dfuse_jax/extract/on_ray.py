"""Videos side by side on the machines of a Ray cluster: they read the videos, this process writes the files.

The videos must be found under the same paths on every machine (a shared file system); the output folder need not be.
"""

import logging
import os
import socket
from collections.abc import Generator, Iterable

from dfuse_jax.extract import mesh
from dfuse_jax.extract.jobs import Job, Result, versions, work
from dfuse_jax.extract.native import require
from dfuse_jax.extract.on_cores import cores
from dfuse_jax.runtime.errors import UserError

WAIT = 10  # seconds for a cluster to answer
QUEUED = 2  # tasks per core: one at work, one that waits for it


def run(jobs: Iterable[Job], address: str, workers: int | None = None) -> Generator[tuple[Job, Result]]:
    """Extracts the jobs on the cluster at `address` ("local": started here), at most `workers` at a time.

    Yields:
        (job, Result) once at its end, in the order in which they end.

    Raises:
        UserError: there is no such cluster, or a machine of it has other versions of what landmarks depend on.
    """
    ray = require("ray", extra="ray")
    _connect(ray, address, workers)
    try:
        task = ray.remote(num_cpus=1, max_retries=0)(_task)
        expected, jobs, under_way = versions(), iter(jobs), {}
        limit = workers or QUEUED * int(ray.cluster_resources().get("CPU", 1))
        while True:
            while len(under_way) < limit and (job := next(jobs, None)) is not None:
                reference = task.remote(job._replace(path=job.path.absolute()), expected)
                under_way[reference] = job
            if not under_way:
                return
            (ended,), _ = ray.wait(list(under_way), num_returns=1)
            job = under_way.pop(ended)
            yield job, _result(ray, ended, job)
    finally:
        ray.shutdown()


def _connect(ray, address: str, workers: int | None) -> None:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    _check_address(address)
    own = {"num_cpus": workers or cores(), "include_dashboard": False} if address == "local" else {}
    try:
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False, **own)
    except Exception as error:  # of many kinds: refused, of another version, a bad address
        raise _no_cluster(address, error) from error


def _check_address(address: str) -> None:
    """Raises UserError at once where nothing answers: Ray itself waits minutes for a cluster that is not there."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon:  # local, auto
        return
    try:
        socket.create_connection((host, int(port)), timeout=WAIT).close()
    except (OSError, ValueError) as error:
        raise _no_cluster(address, error) from error


def _no_cluster(address: str, error: Exception) -> UserError:
    line = " ".join(str(error).split())
    return UserError(
        f"ray={address!r}: no Ray cluster answers there ({line}). Start one, or pass 'local' to start it here.",
        remedy="ray",
    )


def _task(job: Job, expected: dict[str, str]) -> Result:
    installed = versions()
    if installed != expected:
        raise UserError(
            f"{os.uname().nodename} has {installed}, but {expected} is here. Install the same on all machines."
        )
    mesh.networks()
    return work(job)


def _result(ray, ended, job: Job) -> Result:
    try:
        result = ray.get(ended)
        reason = result.reason and result.reason.replace(str(job.path.absolute()), str(job.path))
        return result._replace(reason=reason)
    except ray.exceptions.RayTaskError as error:
        raise UserError(f"Ray: {' '.join(str(error.cause).split())}") from error
    except ray.exceptions.RayError as error:
        line = " ".join(str(error).split())[:200]
        return Result(reason=f"{job.path}: the process that read it died ({type(error).__name__}: {line}).")

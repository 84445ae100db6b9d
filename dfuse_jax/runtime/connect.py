"""How several processes find each other, at the start of a script."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator

import jax

from dfuse_jax.runtime import messages
from dfuse_jax.runtime.errors import UserError

CONNECT_SECONDS = 180  # within which all processes must have been started
HEARTBEAT_SECONDS = 60  # after which JAX ends all processes if one is gone without a word


@contextlib.contextmanager
def joined(coordinator: str | None, process_id: int | None, num_processes: int | None) -> Iterator[None]:
    """Works with the other processes within the block; if one leaves it with an error, all do. Before any other JAX.

    Args:
        coordinator: HOST:PORT of process 0. None, as all three: what SLURM says, or one process alone.
        process_id: this one's, from 0.
        num_processes: how many there are.

    Raises:
        UserError: they do not find each other, or are not alike.
    """
    _connect(coordinator, process_id, num_processes)
    if messages.size() == 1:
        yield
        return
    try:
        devices = jax.local_devices()
        setup = {
            "number of devices": len(devices),
            "device": devices[0].device_kind,
            "jax": jax.__version__,
            "jax_enable_x64": bool(jax.config.read("jax_enable_x64")),
        }
        messages.agree("setup", setup)
        yield
    except BaseException as error:
        messages.fail("it was interrupted" if isinstance(error, KeyboardInterrupt) else error)
        raise  # as the interpreter ends, JAX waits for the others


def _connect(coordinator: str | None, process_id: int | None, num_processes: int | None) -> None:
    """Joins the other processes of the arguments or of a SLURM step; does nothing where there are none."""
    if coordinator is None and process_id is None and num_processes is None:
        if _slurm_tasks() > 1:
            _initialize("SLURM", {})
        return
    if coordinator is None or process_id is None or num_processes is None:
        raise UserError("coordinator, process_id and num_processes must be given together, or none of them.")
    if not 0 <= process_id < num_processes:
        raise UserError(f"process_id is {process_id}; it must be from 0 to {num_processes - 1} (num_processes).")
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdigit():
        raise UserError(f"coordinator is {coordinator!r}; it must be HOST:PORT, a free port of process 0's host.")
    if num_processes > 1:
        arguments = {
            "coordinator_address": coordinator,
            "process_id": process_id,
            "num_processes": num_processes,
            "cluster_detection_method": "deactivate",
        }
        _initialize(f"coordinator {coordinator}", arguments)


def _slurm_tasks() -> int:
    """Returns how many tasks the SLURM step has that this process is in; 1 outside of one."""
    tasks = os.environ.get("SLURM_STEP_NUM_TASKS", "1")
    if not tasks.isdigit():
        raise UserError(f"SLURM_STEP_NUM_TASKS is {tasks!r}, not a number: start with srun, or unset it.")
    return int(tasks)


def _initialize(where: str, arguments: dict) -> None:
    """Lets JAX join the processes."""
    line = f"{where}: waiting for the other processes; JAX ends this one if not all come within {CONNECT_SECONDS} s"
    notice = threading.Timer(10, print, [line], {"file": sys.stderr, "flush": True})
    notice.daemon = True
    notice.start()
    try:
        jax.distributed.initialize(
            **arguments, initialization_timeout=CONNECT_SECONDS, heartbeat_timeout_seconds=HEARTBEAT_SECONDS
        )
    # JAX's detection of SLURM raises ValueError and KeyError where variables are missing, as within an ssh session.
    except (RuntimeError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if arguments:
            raise UserError(f"{where}: the processes did not find each other ({reason}).") from error
        raise UserError(
            f"SLURM says {_slurm_tasks()} tasks, but not how they find each other ({reason}): start with srun, or "
            "unset SLURM_STEP_NUM_TASKS to train alone."
        ) from error
    finally:
        notice.cancel()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # JAX has taken it for a service that is not used here

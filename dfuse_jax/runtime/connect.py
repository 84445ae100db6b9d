"""How several processes find each other, at the start of a script."""

import contextlib
import os
import signal
import sys
import threading

import jax

from dfuse_jax.runtime import messages
from dfuse_jax.runtime.errors import UserError

CONNECT_SECONDS = 180  # within which all processes must have been started
HEARTBEAT_SECONDS = 60  # after which JAX ends all processes if one is gone without a word


def _connect(coordinator: str | None, process_id: int | None, num_processes: int | None) -> None:
    """Joins the other processes of the flags or, without them, of a SLURM step; does nothing where there are none."""
    given = (coordinator, process_id, num_processes)
    arguments = {}
    if given != (None, None, None):
        if None in given:
            raise UserError("--coordinator, --process_id and --num_processes must be given together, or none of them.")
        if not (0 <= process_id < num_processes):
            raise UserError(
                f"--process_id is {process_id}; it must be from 0 to {num_processes - 1} (--num_processes)."
            )
        if not coordinator.rpartition(":")[0] or not coordinator.rpartition(":")[2].isdigit():
            raise UserError(f"--coordinator is {coordinator!r}; it must be HOST:PORT, a free port of process 0's host.")
        arguments = dict(zip(("coordinator_address", "process_id", "num_processes"), given, strict=True))
        arguments["cluster_detection_method"] = "deactivate"
    if (num_processes or int(os.environ.get("SLURM_STEP_NUM_TASKS", 1))) < 2:
        return
    where = f"--coordinator {coordinator}" if coordinator else "SLURM"
    news = (
        f"{where}: waiting for the other processes; JAX ends this one if not all come within {CONNECT_SECONDS} seconds"
    )
    waiting = threading.Timer(10, print, [news], {"file": sys.stderr, "flush": True})
    waiting.daemon = True
    waiting.start()
    try:
        jax.distributed.initialize(
            **arguments, initialization_timeout=CONNECT_SECONDS, heartbeat_timeout_seconds=HEARTBEAT_SECONDS
        )
    except (jax.errors.JaxRuntimeError, RuntimeError) as error:
        raise UserError(f"{where}: the processes did not find each other ({str(error).splitlines()[0]}).") from error
    finally:
        waiting.cancel()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # JAX has taken it for a service that is not used here


@contextlib.contextmanager
def joined(coordinator: str | None, process_id: int | None, num_processes: int | None):
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
        alike = {"number of devices": len(devices), "device": devices[0].device_kind, "jax": jax.__version__}
        messages.agree("setup", {**alike, "jax_enable_x64": jax.config.jax_enable_x64})
        yield
    except BaseException as error:
        messages.fail("it was interrupted" if isinstance(error, KeyboardInterrupt) else error)
        raise  # as the interpreter ends, JAX waits for the others

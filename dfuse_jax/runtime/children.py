"""Processes of their own that one starts to work for it, and that end when it ends.

Not multiprocessing: MediaPipe does not survive a fork, and a spawned process imports the caller's script first, with
JAX and whatever else it imports.
"""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection

_START = (
    "import sys; sys.path[:] = {path!r}; from dfuse_jax.runtime import children; "
    "children.run({module!r}, {function!r}, {descriptor}, {arguments!r})"
)


_last_actions: list[Callable[[], object]] = []


class Child:
    """A new Python process that runs `function(connection, *arguments)` of a module.

    It ends with this process, as its standard input does.

    Attributes:
        process: the process.
        connection: what both send each other objects by.
    """

    def __init__(self, module: str, function: str, *arguments: str | int | float | None):
        self.connection, theirs = multiprocessing.Pipe()
        start = _START.format(
            path=sys.path, module=module, function=function, descriptor=theirs.fileno(), arguments=arguments
        )
        with _uninterrupted():  # Ctrl-C reaches all processes of a terminal; this one ends the others
            self.process = subprocess.Popen(
                [sys.executable, "-c", start], stdin=subprocess.PIPE, pass_fds=[theirs.fileno()]
            )
        theirs.close()

    def end(self) -> None:
        """Kills the process and waits until it has ended."""
        self.process.kill()  # first, as a closed pipe would be an error to it
        self.connection.close()
        self.process.communicate()

    def cause_of_death(self) -> str:
        """Returns how a process ended that has closed its connection, such as "signal 11, Segmentation fault"."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        code = self.process.returncode
        if code is None or code >= 0:
            return f"exit code {code}"
        memory = "; the system may have run out of memory, try fewer workers" if code == -signal.SIGKILL else ""
        return f"signal {-code}, {signal.strsignal(-code)}{memory}"


def run(module: str, function: str, descriptor: int, arguments: tuple) -> None:
    """Runs in the other process, until the function returns or the process that started this one has ended."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    imported = __import__(module, fromlist=[function])
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the process that asked has ended
        getattr(imported, function)(Connection(descriptor), *arguments)


def at_parents_end(action: Callable[[], object]) -> None:
    """Has a process that was started here do something when the one that started it has ended, however that ended."""
    _last_actions.append(action)


def _end_with_parent() -> None:
    os.read(0, 1)  # nothing is ever written there; sys.stdin has a lock, at which a process that ends would fail
    for action in _last_actions:
        action()
    os._exit(1)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ignores Ctrl-C within the block, and in processes started there; only the main thread may."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)

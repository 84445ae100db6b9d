"""Optional packages, imported only where they are used, and native code kept from writing over the progress bar."""

import contextlib
import importlib
import os
import sys
import threading
from types import ModuleType

from dfuse_jax.runtime.errors import UserError

NEWEST_PYTHON = (3, 12)  # for which MediaPipe with the Attention Mesh has a wheel


def require(name: str, extra: str = "extract") -> ModuleType:
    """Imports an optional package.

    Args:
        name: the module: av, mediapipe or ray.
        extra: the extra of this package that installs it.

    Raises:
        UserError: it is not installed, or does not start; the message says how to install it.
    """
    try:
        with quiet():
            return importlib.import_module(name)
    except ImportError as error:
        newer = sys.version_info[:2] > NEWEST_PYTHON
        python = " under Python 3.11 or 3.12, as MediaPipe has no wheel for later ones" if newer else ""
        raise UserError(
            f'{name} cannot be imported ({error}). Install it{python}: pip install "dfuse_jax[{extra}]"'
        ) from error


class _Redirection:
    """The process's stderr, which all threads share: the first one to redirect it does so, the last one restores it."""

    def __init__(self):
        self.lock = threading.Lock()
        self.users = 0
        self.original: int | None = None  # a copy of the descriptor; None: the process has no stderr

    def start(self):
        with self.lock:
            self.users += 1
            if self.users == 1:
                self.original = self._redirect()

    def stop(self):
        with self.lock:
            self.users -= 1
            if self.users == 0 and self.original is not None:
                os.dup2(self.original, 2)
                os.close(self.original)

    @staticmethod
    def _redirect():
        if sys.stderr is not None:
            sys.stderr.flush()
        try:
            original = os.dup(2)
        except OSError:
            return None
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        return original


_redirection = _Redirection()


@contextlib.contextmanager
def quiet():
    """Drops what native code writes to stderr within the block: absl and TensorFlow Lite offer no setting that does.

    Several threads may be in such blocks at once. What Python code of any thread writes to stderr meanwhile is lost.
    """
    _redirection.start()
    try:
        yield
    finally:
        _redirection.stop()

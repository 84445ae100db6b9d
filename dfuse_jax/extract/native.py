"""OpenCV, MediaPipe and Ray, imported only where they are used and kept from writing over the progress bar."""

import contextlib
import importlib
import os
import sys

from dfuse_jax.runtime.errors import UserError


def require(name: str, extra: str = "extract"):
    """The module `name` (cv2, mediapipe, ray); raises UserError that names the extra when it is not installed."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # AV_LOG_QUIET; FFmpeg's threads log at any time
    try:
        with quiet():
            return importlib.import_module(name)
    except ImportError as error:
        raise UserError(
            f'{name} cannot be imported ({error}). Install it: pip install -e ".[{extra}]" in the checkout'
        ) from error


@contextlib.contextmanager
def quiet():
    """Drops what native code writes to stderr: absl and TensorFlow Lite offer no setting that does. One thread only."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)

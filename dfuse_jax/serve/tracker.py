"""Pictures to faces, in a process for every viewer: MediaPipe is not thread-safe, and hostile pictures end there alone.

Nothing here imports JAX, so that a tracker starts in a second and takes little memory.
"""

import asyncio
import concurrent.futures
import io
import math
from multiprocessing.connection import Connection
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from dfuse_jax.extract import faces, flags, mesh
from dfuse_jax.extract.landmarks import EVERY
from dfuse_jax.extract.video import mean_change, thin_out
from dfuse_jax.runtime.children import Child
from dfuse_jax.runtime.errors import UserError

MOST_BYTES = 512 * 1024  # of a picture
MOST_PIXELS = 1280 * 960
LEAST_SIDE = 64
PATIENCE = 5.0  # seconds for a picture, which takes hundredths of one


class PictureError(Exception):
    """The message is no picture that is taken; says why, in a whole sentence."""


class TrackerError(Exception):
    """The tracker has died or does not answer."""


class Seen(NamedTuple):
    """What a tracker sees in a picture.

    Attributes:
        image_size: (width, height) in pixels.
        landmarks: of the face that is followed; None without one.
        look: of that face, see `flags`.
        change: mean absolute difference from the picture before, in grey levels; NaN for the first one.
        faces: how many there are.
    """

    image_size: tuple[int, int]
    landmarks: Float[np.ndarray, "478 3"] | None
    look: flags.Look
    change: float
    faces: int


class Tracker:
    """A process that follows the face of one viewer. Its methods may be called from one task at a time."""

    def __init__(self):
        self._child = Child(__name__, "serve")
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "tracker")
        self._ready = False

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._child.process.pid

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self._child.process.poll() is None

    async def ready(self) -> None:
        """Waits until the networks are loaded; raises TrackerError if they cannot be, UserError if it says why."""
        if not self._ready:
            answer = await self._ask(None, patience=60)
            if isinstance(answer, UserError):
                raise answer
            self._ready = True

    async def find(self, jpeg: bytes) -> Seen:
        """Finds the face in a picture.

        Raises:
            PictureError: it is none that is taken.
            TrackerError: the process has died or does not answer.
        """
        answer = await self._ask(jpeg, patience=PATIENCE)
        if isinstance(answer, PictureError):
            raise answer
        return answer

    async def _ask(self, jpeg: bytes | None, *, patience: float):
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._exchange, jpeg, patience)

    def _exchange(self, jpeg: bytes | None, patience: float):
        try:
            if jpeg is not None:
                self._child.connection.send_bytes(jpeg)
            if not self._child.connection.poll(patience):
                raise TrackerError("it does not answer")
            return self._child.connection.recv()
        except (EOFError, OSError) as error:
            raise TrackerError(self._child.cause_of_death()) from error

    def end(self) -> None:
        """Ends the process."""
        self._child.process.kill()  # what waits for it in the thread gets an error then
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._child.end()


def serve(connection: Connection) -> None:
    """Runs in the tracker's process: sends None when it is ready, then for every picture Seen or a PictureError."""
    try:
        networks = mesh.networks()
    except UserError as error:
        connection.send(error)
        return
    networks.restart()
    follower = Follower(networks)
    connection.send(None)
    while True:
        jpeg = connection.recv_bytes(MOST_BYTES)
        try:
            answer: Seen | PictureError = follower.see(decode(jpeg))
        except PictureError as error:
            answer = error
        connection.send(answer)


class Follower:
    """Follows one face from picture to picture; of several, the one that it followed before, or else the largest.

    Args:
        networks: that find faces.
    """

    def __init__(self, networks: mesh.Networks):
        self._networks = networks
        self._number = 0
        self._suspect = self._several = False
        self._place: np.ndarray | None = None
        self._before: np.ndarray | None = None

    def see(self, image: UInt8[np.ndarray, "height width 3"]) -> Seen:
        """Returns what is in the next picture."""
        boxes = np.zeros((0, 4))
        # As in `landmarks.find_only_face`: two faces in one picture may be a false alarm.
        if self._number % EVERY == 0 or self._suspect or self._several:
            boxes = mesh.find_boxes(self._networks, image)
            several = len(boxes) > 1
            self._several = several and (self._suspect or self._several)
            self._suspect = several
        self._number += 1
        shown = image
        if self._several:
            self._place = faces.same_or_largest(self._place, boxes)
            shown = faces.isolate(image, self._place, boxes)
        landmarks = mesh.find_landmarks(self._networks, shown)
        if not self._several:
            self._place = None if landmarks is None else _box(landmarks)
        sparse = thin_out(image)
        before = self._before
        change = math.nan if before is None or before.shape != sparse.shape else mean_change(before, sparse)
        self._before = sparse
        height, width = image.shape[:2]
        return Seen(
            image_size=(width, height),
            landmarks=landmarks,
            look=flags.look(image, landmarks),
            change=change,
            faces=len(boxes) if self._several else int(landmarks is not None),
        )


def decode(jpeg: bytes) -> UInt8[np.ndarray, "height width 3"]:
    """Returns the picture, RGB; raises PictureError where it is none, or one that is not taken."""
    try:
        with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:  # reads the header alone
            width, height = image.size
            if width * height > MOST_PIXELS or min(width, height) < LEAST_SIDE:
                raise PictureError(
                    f"The picture has {width} x {height} pixels; at least {LEAST_SIDE} a side and at most "
                    f"{MOST_PIXELS} in all are taken."
                )
            if "progressive" in image.info:  # a small file of many scans takes minutes
                raise PictureError("The picture is a progressive JPEG; only baseline ones are taken.")
            return np.asarray(image.convert("RGB"))
    except PictureError:
        raise
    except Image.DecompressionBombError as error:
        raise PictureError("The picture has far too many pixels.") from error
    except Exception as error:  # Pillow raises errors of many kinds for damaged files
        raise PictureError("The message holds no whole JPEG picture.") from error


def _box(landmarks: Float[np.ndarray, "478 3"]) -> Float[np.ndarray, "4"]:
    """Returns left, top, width and height of a face."""
    start, stop = landmarks[:, :2].min(axis=0), landmarks[:, :2].max(axis=0)
    return np.concatenate([start, stop - start])

"""A server of the live page with trackers that find known landmarks and a judge that says what it is told."""

import asyncio
import contextlib
import io
import json
import os
import struct
import tempfile
import threading
import time

import numpy as np
import uvicorn
from PIL import Image
from websockets.sync.client import connect

from dfuse_jax.data import synthetic
from dfuse_jax.extract import flags
from dfuse_jax.serve import app, server, session
from dfuse_jax.serve.jobs import Jobs
from dfuse_jax.serve.services import Options, Services
from dfuse_jax.serve.tracker import Seen, TrackerError, decode
from dfuse_jax.serve.verdicts import Model, Verdict

MODEL = Model("toy", "A toy.", models=2, synthetic=True, card="# Model card: toy\n", seconds=0.1)
FPS = 25


def jpeg(width=640, height=360, **options):
    """A grey picture."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), (90, 90, 90)).save(file, "JPEG", **options)
    return file.getvalue()


def message(seconds, picture):
    """What the page sends."""
    return struct.pack("<d", seconds) + picture


def smile_with_rests(seed=0, rest=40):
    """[T, 478, 3]: a face at rest, a synthetic smile, and the face at rest again."""
    sample = synthetic.generate(1, 1, seed=seed)[0]
    first, last = sample.landmarks[:1], sample.landmarks[-1:]
    back = first + (last - first) * np.linspace(1, 0, 10)[:, None, None]
    parts = [np.repeat(first, rest, axis=0), sample.landmarks, back, np.repeat(first, rest, axis=0)]
    return np.concatenate(parts).astype(np.float32)


class FakeTracker:
    """Reads pictures as trackers do, and finds the next of the given landmarks in each."""

    def __init__(self, landmarks=None, faces=1):
        self.landmarks, self.faces, self.number, self.ended, self.alive = landmarks, faces, 0, False, True

    async def ready(self):
        pass

    async def find(self, picture):
        if not self.alive:
            raise TrackerError("it was killed")
        image = decode(picture)
        await asyncio.sleep(0)
        points = None if self.landmarks is None else self.landmarks[self.number % len(self.landmarks)]
        self.number += 1
        return Seen((image.shape[1], image.shape[0]), points, flags.NO_LOOK, 5.0, 0 if points is None else self.faces)

    def end(self):
        self.ended = True


class FakeTrackers:
    """Gives every viewer a tracker of its own."""

    def __init__(self, landmarks=None):
        self.landmarks, self.taken = landmarks, []

    async def take(self):
        self.taken.append(FakeTracker(self.landmarks))
        return self.taken[-1]

    async def give_back(self, tracker):
        tracker.end()


class FakeJudge:
    """Says 0.25 and 0.75 of every smile, and keeps them."""

    def __init__(self, delay=0.0):
        self.delay, self.asked = delay, []

    async def verdict(self, smile):
        await asyncio.sleep(self.delay)
        self.asked.append(smile)
        phases = {"onset": (smile.begin, smile.apex), "offset": (smile.apex, smile.end)}
        effects = {("lip", "onset"): 0.1, ("eye", "apex"): -0.2}
        return Verdict(phases, [0.25, 0.75], effects, "", ("it is a toy",), (), 50, 25.0)


@contextlib.contextmanager
def serving(*, landmarks=None, judge=None, **options):
    """Yields (address without scheme, services) of a server in a thread."""
    session.prepare()
    with tempfile.TemporaryDirectory() as folder:
        asked = Options(**options)
        jobs = Jobs(folder, checkpoint=None, models=None, limits=asked.limits)
        services = Services(asked, judge, MODEL if judge is not None else None, jobs, FakeTrackers(landmarks))
        running = uvicorn.Server(server.configure(app.build(services)))
        running.capture_signals = contextlib.nullcontext
        listening = server.listen("127.0.0.1", 0)
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not running.started:
            time.sleep(0.01)
        try:
            yield f"127.0.0.1:{listening.getsockname()[1]}", services
        finally:
            running.should_exit = True
            thread.join(10)
            listening.close()
            jobs.end()
            assert os.listdir(folder) == []  # whatever happened, no file is left


def open_live(address, **options):
    """A viewer's connection."""
    return connect(f"ws://{address}/v1/live", compression=None, proxy=None, **options)


def watch(address, pictures, *, fps=FPS, start=0.0, patience=10):
    """Sends pictures, one after the other is answered; returns all messages until nothing comes for a while."""
    received = []
    with open_live(address) as viewer:
        received.append(json.loads(viewer.recv(patience)))
        for number, picture in enumerate(pictures):
            viewer.send(message(start + number / fps, picture))
            while True:
                received.append(json.loads(viewer.recv(patience)))
                if received[-1]["type"] in ("frame", "refused"):
                    break
        with contextlib.suppress(TimeoutError):
            while True:
                received.append(json.loads(viewer.recv(0.5)))
    return received


def feed(landmarks, times, *, image_size=(640, 360)):
    """Returns all moments of a session; None stands for a frame without a face."""
    stream = session.Session(image_size)
    moments = []
    for points, seconds in zip(landmarks, times, strict=True):
        moments += stream.step(session.Frame(float(seconds), points))
    return moments

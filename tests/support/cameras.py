"""Clips as the camera of a headless Chromium, which plays a file in a loop."""

import contextlib
import os
import pathlib
import socket
import subprocess
import sys
import threading
import time

import av
from browser import start_chromium
from scripts import ROOT, command, environment

CAMERA = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
HOLD = 2.0  # seconds of the first and of the last frame, put around a clip


def write_camera(path, images, fps):
    """Writes RGB images as a camera's file (YUV4MPEG2), held at both ends; returns its seconds."""
    images = list(images)
    hold = round(HOLD * fps)
    shown = [images[0]] * hold + images + [images[-1]] * hold
    height, width = images[0].shape[:2]
    with pathlib.Path(path).open("wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F{round(1000 * fps)}:1000 Ip A1:1 C420mpeg2\n".encode())
        for image in shown:
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
            file.write(b"FRAME\n" + frame.to_ndarray().tobytes())
    return len(shown) / fps


def read_video(path):
    """Returns the RGB images of a video, 640 x 360."""
    with av.open(os.fspath(path)) as container:
        return [frame.reformat(640, 360, format="rgb24").to_ndarray() for frame in container.decode(video=0)]


@contextlib.contextmanager
def served(*arguments):
    """Yields (address, process) of dfuse-serve, which prints the address when everything is compiled."""
    process = subprocess.Popen(
        command("serve", "--port=0", *arguments),
        cwd=ROOT,
        env=environment() | {"XLA_FLAGS": ""},  # verdicts have to come in time
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for line in process.stdout:
            if line.startswith("Open "):
                yield line.split()[1].rstrip("/"), process
                break
        else:
            raise AssertionError(process.stderr.read()[-3000:])
    finally:
        process.terminate()
        process.wait(20)
        said = process.stderr.read()
        sys.stderr.write(said)
        assert "Traceback" not in said


@contextlib.contextmanager
def watching(address, camera=None, *, press=True, **context):
    """Yields the page in a browser with a camera: a file, or the browser's own test pattern."""
    file = [f"--use-file-for-fake-video-capture={camera}"] if camera else []
    with start_chromium(*CAMERA, *file) as browser, browser.new_context(**context) as opened:
        page = opened.new_page()
        problems = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: problems.append(request.url) if address not in request.url else None)
        page.goto(f"{address}/")
        if press:
            page.get_by_role("button", name="Start the camera").click()
        yield page
        assert opened.cookies() == []
        assert not problems, problems  # nothing is loaded from elsewhere, and nothing goes wrong


def children(pid, module):
    """The processes that a server has started to run a module."""
    listed = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()[1:]]
    return [int(number) for number, parent, text in rows if int(parent) == pid and module in text]


class Proxy:
    """Passes on what comes to a port of its own, until it is cut."""

    def __init__(self, target):
        self.target, self.connections = target, []
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.start()

    def start(self):
        threading.Thread(target=self._accept, args=(self.listening,), daemon=True).start()

    def _accept(self, listening):
        with contextlib.suppress(OSError):
            while True:
                ours = listening.accept()[0]
                theirs = socket.create_connection(("127.0.0.1", self.target))
                self.connections += [ours, theirs]
                for one, other in ((ours, theirs), (theirs, ours)):
                    threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, one, other):
        with contextlib.suppress(OSError):
            while data := one.recv(1 << 16):
                other.sendall(data)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self):
        """Closes everything."""
        with contextlib.suppress(OSError):
            self.listening.shutdown(socket.SHUT_RDWR)  # close alone would not wake accept
        self.listening.close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self.connections = []

    def resume(self):
        """Listens at the same port again."""
        self.listening = socket.create_server(("127.0.0.1", self.port))
        self.start()


def wait_for(page, condition, *, seconds=60):
    """Waits until an expression is true; Playwright's own way would need what the page's policy forbids."""
    end = time.monotonic() + seconds
    while not page.evaluate(condition):
        if time.monotonic() > end:
            state = page.evaluate("[document.body.dataset.state, live.answered, live.smiles, live.verdicts]")
            raise AssertionError(f"not within {seconds} s: {condition}; {state}")
        time.sleep(0.1)


def wait_for_state(page, state, *, seconds=60):
    """Waits until the page says that it is in a state."""
    wait_for(page, f"document.body.dataset.state === '{state}'", seconds=seconds)

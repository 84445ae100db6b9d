"""How fast the D-Markers are: `python -m dfuse_jax.bench.dmarkers [--quick] [--json FILE]`.

JAX on every kind of device there is, against the loop-by-loop NumPy reading and a plain vectorised NumPy version, in
one run, for clips and whole videos. A time is the best of several; compiling is not in it and is given by itself.
"""

import argparse
import functools
import json
import pathlib
import time

import jax
import numpy as np

from dfuse_jax.bench.oracles import loops as reference
from dfuse_jax.bench.oracles import numpy as vectorised
from dfuse_jax.bench.timing import bandwidth, best
from dfuse_jax.dmarkers import compute

AUTHORS = 16 / 0.010  # sequences a second: the published extractor takes 10 ms for 16 clips of 16 frames on 2 CPU cores
FULL = {"clip batch": (16, 16, None), "clips": (4096, 16, None), "videos": (1240, 400, None)}
FULL["videos, smoothed"] = (1240, 400, "4253H")
QUICK = {"clip batch": (16, 16, None), "videos, smoothed": (20, 60, "4253H")}


def sequences(count: int, frames: int, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Smiles that jitter: points [count, frames, 11, 3] float32, frame rate, length and aspect [count] each."""
    rng = np.random.default_rng(seed)
    x = [0.30, 0.35, 0.40, 0.50, 0.55, 0.60, 0.33, 0.57, 0.45, 0.38, 0.52]
    y = [0.40, 0.38, 0.40, 0.40, 0.38, 0.40, 0.55, 0.55, 0.50, 0.65, 0.65]
    points = np.tile(np.stack([x, y, np.zeros(11)], -1).astype(np.float32), (count, frames, 1, 1))
    points[:, :, 8, 2] = -0.05
    points += 0.002 * rng.standard_normal(points.shape, np.float32).cumsum(axis=1)
    length = rng.integers(frames // 2, frames + 1, count) if frames > 16 else np.full(count, frames)
    return points, np.full(count, 25, np.float32), length.astype(np.int32), np.full(count, 0.75, np.float32)


def on_device(device: jax.Device, data: tuple, smoothing: str | None, seconds: float) -> dict:
    """JAX on one device, its inputs there already: seconds to compile and for a call."""
    one = functools.partial(compute, smoothing=smoothing)
    every = jax.vmap(lambda points, fps, length, aspect: one(points, fps, length=length, aspect=aspect))
    data = jax.device_put(data, device)
    start = time.perf_counter()
    compiled = jax.jit(every).lower(*data).compile()
    compile_s = time.perf_counter() - start
    compiled(*data).block_until_ready()
    return {"compile_s": compile_s, "call_s": best(lambda: compiled(*data).block_until_ready(), seconds)}


def numpy_rates(data: tuple, smoothing: str | None, seconds: float) -> tuple[float, float | None]:
    """Sequences a second: loop by loop (on a few of them), and vectorised (which knows no smoothing: None)."""
    points, fps, length, aspect = data
    few = [(p[:n], w, a, smoothing) for p, w, n, a in zip(*(x[:4] for x in data), strict=True)]
    loops = len(few) / best(lambda: [reference.features(*one) for one in few], seconds)
    chunks = [slice(i, i + 64) for i in range(0, len(points), 64)]  # small enough for the cache
    plain = lambda: [vectorised.features(points[c], fps[c], length[c], aspect[c]) for c in chunks]  # noqa: E731
    return loops, None if smoothing else len(points) / best(plain, seconds)


def measure(name: str, count: int, frames: int, smoothing: str | None, seconds: float, peaks: dict) -> list[dict]:
    """One row per device for one size."""
    data = sequences(count, frames)
    loops, plain = numpy_rates(data, smoothing, seconds)
    rows = []
    for device, peak in peaks.items():
        found = on_device(device, data, smoothing, seconds)
        rate = count / found["call_s"]
        rows.append(
            {
                "what": name,
                "device": device.device_kind,
                "count": count,
                "frames": frames,
                "smoothing": smoothing,
                **found,
            }
            | {"per_s": rate, "times_loops": rate / loops, "times_numpy": plain and rate / plain}
            # What must be moved at least: the points in and the features out.
            | {"bandwidth_share": (data[0].nbytes + 225 * 4 * count) / found["call_s"] / peak}
            | {"times_authors": rate / AUTHORS if frames == 16 else None}
        )
    return rows


def main(argv: list[str] | None = None) -> list[dict]:
    """Prints a table and one line of JSON; returns the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], prog="python -m dfuse_jax.bench.dmarkers")
    parser.add_argument("--quick", action="store_true", help="small sizes, seconds in all")
    parser.add_argument("--json", type=pathlib.Path, help="write the numbers to this file instead of printing them")
    options = parser.parse_args(argv)
    seconds = 0.05 if options.quick else 2.0
    devices = [jax.devices("cpu")[0]] + [d for d in jax.devices()[:1] if d.platform != "cpu"]
    peaks = {device: bandwidth(device, seconds) for device in devices}
    print(f"{'what':<18}{'device':<16}{'sequences':>12}{'call':>12}{'per s':>10}", end="")
    print(f"{'x loops':>9}{'x NumPy':>9}{'x authors':>11}{'compile':>10}{'bandwidth':>11}")
    rows = []
    for name, size in (QUICK if options.quick else FULL).items():
        for row in measure(name, *size, seconds, peaks):
            rows.append(row)
            times = [f"{row[key]:.3g}" if row[key] else "-" for key in ("times_loops", "times_numpy", "times_authors")]
            print(f"{name:<18}{row['device'][:14]:<16}{row['count']:>6} x {row['frames']:<3}", end="")
            print(
                f"{1e3 * row['call_s']:>9.3f} ms{row['per_s']:>10.0f}{times[0]:>9}{times[1]:>9}{times[2]:>11}", end=""
            )
            print(f"{row['compile_s']:>8.1f} s{row['bandwidth_share']:>11.1%}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows) + "\n")
    else:
        print(json.dumps(rows))
    return rows


if __name__ == "__main__":
    main()

"""The speed of the paper's recipe (full-size model, Hadamard fusion) on this machine, in one run."""

import math
import platform
from collections.abc import Callable, Mapping, Sequence

import jax

from dfuse_jax.bench import floor, timing, training
from dfuse_jax.bench.protocol import VIDEOS, Protocol
from dfuse_jax.data.databases import DATABASES
from dfuse_jax.models import DFuseSmileNet, sizes

KINDS = ("training", "forward")
ROW = "{folds:>5} {dtype:<9}{kind:<9}{ms_fold_step:>12.1f}{clips_per_s:>10.1f}{compile_cold_s:>8.1f}"
ROW += "{compile_warm_s:>7.1f}{gflop:>10.0f}{gb:>8.1f}{memory:>10.1f}{share:>9.1%}"
HEAD = f"{'folds':>5} {'dtype':<9}{'kind':<9}{'ms/fold-step':>12}{'clips/s':>10}{'cold s':>8}{'warm s':>7}"
HEAD += f"{'XLA GFLOP':>10}{'XLA GB':>8}{'memory GB':>10}{'of floor':>9}"


def run(
    folds: Sequence[int],
    dtypes: Sequence[str],
    *,
    seconds: float,
    steps: int,
    baseline: bool,
    model: DFuseSmileNet | None = None,
    say: Callable[[str], None] = print,
) -> dict:
    """Measures everything, prints it line by line and returns it.

    Args:
        folds: how many at once.
        dtypes: of "float32" and "bfloat16".
        seconds: for which a call is repeated.
        steps: of a call.
        baseline: whether the same step is timed in plain PyTorch too.
        model: default: the paper's.
        say: takes a line.
    """
    device = jax.devices()[0]
    model = model or DFuseSmileNet()
    say(f"{device.device_kind}, {platform.machine()}, jax {jax.__version__}; a fold-step is 16 clips of 16 frames.")
    peaks = timing.peaks(device, min(seconds, 2))
    products = ", ".join(f"{peaks[dtype] / 1e9:,.0f} GFLOP/s in {dtype}" for dtype in ("float32", "bfloat16"))
    say(f"This machine's best: {products}; {peaks['bytes'] / 1e9:,.1f} GB/s.\n")
    floors = {dtype: _floors(model, dtype, peaks, say) for dtype in dtypes}
    inputs = training.synthetic_inputs(model)
    rows = []
    say(HEAD)
    for dtype in dtypes:
        for kind in KINDS:
            for number in folds:
                precise = model.clone(dtype=None if dtype == "float32" else dtype)
                row = training.time_folds(precise, inputs, number, kind, steps=steps, seconds=seconds)
                if "ms_fold_step" in row:
                    row["floor_share"] = 1e3 * floors[dtype][kind] / row["ms_fold_step"]
                rows.append(row)
                say(_line(row, steps))
    measured = [row for row in rows if "ms_fold_step" in row]
    result = {"device": device.device_kind, "jax": jax.__version__, "peaks": peaks, "floors_s": floors, "rows": rows}
    result["protocols"] = projected(measured)
    _say_protocols(result["protocols"], say)
    if baseline:
        result["baseline"] = _baseline(measured, seconds, say)
    return result


def projected(rows: Sequence[Mapping]) -> list[dict]:
    """Returns the hours that each database's protocol takes (all folds once, 300 epochs) at the measured speeds.

    Published: one model a fold, on its whole training fold. All, as in a cross-validation here: those that choose their
    epoch by held-out subjects too, and the evaluation of both after every epoch.
    """
    protocols = []
    for dtype in dict.fromkeys(row["dtype"] for row in rows):
        step, evaluation = (_fastest(rows, kind, dtype) for kind in KINDS)
        if step is None or evaluation is None:
            continue
        for name, database in DATABASES.items():
            protocol = Protocol(VIDEOS[name], database.folds)
            hours = {
                "hours_published": protocol.hours_published(step),
                "hours_all": protocol.hours_all(step, evaluation),
            }
            protocols.append({"database": name, "dtype": dtype, "fold_steps": protocol.fold_steps, **hours})
    return protocols


def require_baseline() -> None:
    """Raises UserError if PyTorch is not installed."""
    from dfuse_jax.bench.torch import baseline

    baseline.build()


def _floors(model: DFuseSmileNet, dtype: str, peaks: Mapping[str, float], say: Callable) -> dict[str, float]:
    """Returns the seconds that each kind of call needs at least, a fold; prints those of a training step."""
    parameters = sizes.count_parameters(model)
    itemsize = 4 if dtype == "float32" else 2
    parts = {
        "training": floor.training(model, parameters, itemsize=itemsize),
        "forward": floor.forward(model, itemsize=itemsize),
    }
    say(f"The least that a training step needs ({dtype}), by hand count:")
    say(floor.table(parts["training"], peaks[dtype], peaks["bytes"]) + "\n")
    return {kind: floor.floor(parts[kind], peaks[dtype], peaks["bytes"]) for kind in KINDS}


def _line(row: Mapping, steps: int) -> str:
    if "ms_fold_step" not in row:
        need = f"{row['memory_bytes'] / 1e9:.0f} GB" if row["memory_bytes"] else "more memory"
        return f"{row['folds']:>5} {row['dtype']:<9}{row['kind']:<9}{need:>12} needed: does not fit"
    return ROW.format(
        **row,
        gflop=(row["xla_flops_call"] or 0) / steps / 1e9,
        gb=(row["xla_bytes_call"] or 0) / steps / 1e9,
        memory=(row["memory_bytes"] or 0) / 1e9,
        share=row["floor_share"],
    )


def _fastest(rows: Sequence[Mapping], kind: str, dtype: str) -> float | None:
    return min((row["ms_fold_step"] for row in rows if (row["kind"], row["dtype"]) == (kind, dtype)), default=None)


def _say_protocols(protocols: Sequence[Mapping], say: Callable) -> None:
    say(f"\n{'protocol (its folds once, 300 epochs)':<40}{'fold-steps':>11}{'hours':>10}{'+ validated, tests':>29}")
    for protocol in protocols:
        name = f"{protocol['database']}, {protocol['dtype']}"
        hours = f"{protocol['hours_published']:>10.2f}{protocol['hours_all']:>29.2f}"
        say(f"{name:<40}{protocol['fold_steps']:>11,}{hours}")


def _baseline(rows: Sequence[Mapping], seconds: float, say: Callable) -> list[dict]:
    """Times the same step in plain PyTorch (not the authors' code) on the same machine; gives its ratio to ours."""
    from dfuse_jax.bench.torch import baseline

    results = []
    for dtype in dict.fromkeys(row["dtype"] for row in rows):
        for kind in KINDS:
            timed = baseline.time_step(train=kind == "training", dtype=dtype, seconds=seconds, steps=2)
            ratio = timed["ms"] / (_fastest(rows, kind, dtype) or math.nan)
            results.append({**timed, "kind": kind, "dtype": dtype, "ratio": ratio})
            say(f"PyTorch, {kind}, {dtype}: {timed['ms']:,.0f} ms a step, {ratio:.1f} times ours")
    return results

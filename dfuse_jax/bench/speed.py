"""The speed of the paper's recipe (full-size model, Hadamard fusion) on this machine, in one run."""

import math
import platform
from collections.abc import Callable, Sequence

import jax

from dfuse_jax.bench import floor as count
from dfuse_jax.bench import training as measure
from dfuse_jax.data.databases import DATABASES
from dfuse_jax.experiments import recipe
from dfuse_jax.experiments.crossval import build_model
from dfuse_jax.models import DFuseSmileNet, sizes

VIDEOS = {"uva_nemo": 1240, "mmi": 184, "spos": 80, "bbc": 20}
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
    """Measures everything and says it line by line; returns it.

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
    model = model or build_model(recipe.paper("hadamard", "uva_nemo").model.to_dict())
    say(f"{device.device_kind}, {platform.machine()}, jax {jax.__version__}; a fold-step is 16 clips of 16 frames.")
    peaks = measure.peaks(min(seconds, 2))
    products = ", ".join(f"{peaks[d] / 1e9:,.0f} GFLOP/s in {d}" for d in ("float32", "bfloat16"))
    say(f"This machine's best: {products}; {peaks['bytes'] / 1e9:,.1f} GB/s.\n")
    floors = _floors(model, peaks, dtypes, say)
    videos = measure.data(model)
    rows = []
    say(HEAD)
    for dtype in dtypes:
        for kind in KINDS:
            for number in folds:
                of_dtype = model.clone(dtype=None if dtype == "float32" else dtype)
                row = measure.folds(of_dtype, videos, number, kind, steps, seconds)
                if "ms_fold_step" in row:
                    row["floor_share"] = 1e3 * floors[dtype][kind] / row["ms_fold_step"]
                    say(_line(row, steps))
                else:
                    need = f"{row['memory_bytes'] / 1e9:.0f} GB" if row["memory_bytes"] else "more memory"
                    say(f"{number:>5} {dtype:<9}{kind:<9}{need:>12} needed: does not fit")
                rows.append(row)
    result = {"device": device.device_kind, "jax": jax.__version__, "peaks": peaks, "floors_s": floors, "rows": rows}
    rows = [row for row in rows if "ms_fold_step" in row]
    result["protocols"] = projected(rows)
    _say_protocols(result["protocols"], say)
    if baseline:
        result["baseline"] = _baseline(rows, seconds, say)
    return result


def _floors(model: DFuseSmileNet, peaks: dict, dtypes: Sequence[str], say: Callable) -> dict:
    learnt = sizes.learnt(sizes.encoder_shapes(model)) + sizes.learnt(sizes.classifier_shapes(model))
    floors = {}
    for dtype in dtypes:
        itemsize = 4 if dtype == "float32" else 2
        kinds = {
            "training": count.training(model, learnt, itemsize=itemsize),
            "forward": count.forward(model, itemsize=itemsize),
        }
        floors[dtype] = {kind: count.floor(parts, peaks[dtype], peaks["bytes"]) for kind, parts in kinds.items()}
        say(f"The least that a training step needs ({dtype}), by hand count:")
        say(count.table(kinds["training"], peaks[dtype], peaks["bytes"]) + "\n")
    return floors


def _line(row: dict, steps: int) -> str:
    of_step = {k: (row[f"xla_{v}_call"] or 0) / steps / 1e9 for k, v in {"gflop": "flops", "gb": "bytes"}.items()}
    return ROW.format(**row, **of_step, memory=(row["memory_bytes"] or 0) / 1e9, share=row["floor_share"])


def projected(rows: Sequence[dict]) -> list[dict]:
    """Hours that each database's protocol takes (all folds once, 300 epochs) at the measured speeds.

    Published: one model a fold, on its whole training fold. All, as launch/cv.py: those that choose their epoch by
    held-out subjects too, and the evaluation of both after every epoch.
    """
    protocols = []
    for dtype in dict.fromkeys(row["dtype"] for row in rows):
        fastest = {kind: _fastest(rows, kind, dtype) for kind in KINDS}
        if None in fastest.values():
            continue
        for name, database in DATABASES.items():
            trained, folds = VIDEOS[name] * (1 - 1 / database.folds), database.folds
            steps, fewer = (max(int(trained * share) // 16, 1) for share in (1, 0.9))
            evaluated = 5 * (2 * VIDEOS[name] / folds + 0.1 * trained) / 16  # batches of clips
            published = 300 * folds * steps * fastest["training"]
            further = 300 * folds * (fewer * fastest["training"] + evaluated * fastest["forward"])
            hours = {"hours_published": published / 3.6e6, "hours_all": (published + further) / 3.6e6}
            protocols.append({"database": name, "dtype": dtype, "fold_steps": 300 * folds * steps, **hours})
    return protocols


def _fastest(rows: Sequence[dict], kind: str, dtype: str) -> float | None:
    return min((r["ms_fold_step"] for r in rows if (r["kind"], r["dtype"]) == (kind, dtype)), default=None)


def _say_protocols(protocols: Sequence[dict], say: Callable) -> None:
    say(f"\n{'protocol (its folds once, 300 epochs)':<40}{'fold-steps':>11}{'hours':>10}{'+ validated, tests':>29}")
    for p in protocols:
        name = f"{p['database']}, {p['dtype']}"
        say(f"{name:<40}{p['fold_steps']:>11,}{p['hours_published']:>10.2f}{p['hours_all']:>29.2f}")


def require_baseline() -> None:
    """Raises UserError if PyTorch is not installed."""
    from dfuse_jax.bench.torch import baseline as torch_baseline

    torch_baseline.build()


def _baseline(rows: Sequence[dict], seconds: float, say: Callable) -> list[dict]:
    """The same step in plain PyTorch (not the authors' code) on the same machine, and its ratio to ours."""
    from dfuse_jax.bench.torch import baseline as torch_baseline

    found = []
    for dtype in dict.fromkeys(row["dtype"] for row in rows):
        for kind in KINDS:
            result = torch_baseline.time_step(train=kind == "training", dtype=dtype, seconds=seconds, steps=2)
            ratio = result["ms"] / (_fastest(rows, kind, dtype) or math.nan)
            found.append({**result, "kind": kind, "dtype": dtype, "ratio": ratio})
            say(f"PyTorch, {kind}, {dtype}: {result['ms']:,.0f} ms a step, {ratio:.1f} times ours")
    return found

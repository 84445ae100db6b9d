"""Times the paper's recipe on this machine: training steps and evaluated clips, of several folds at once.

dfuse-benchmark-speed [--folds=1,2,5,10] [--dtypes=float32,bfloat16] [--baseline] [--json FILE] [--quick]

Or compiles a recipe for a GPU that need not be here, and counts what it asks of it: memory, traffic, launches.

dfuse-benchmark-speed --target=h100|h200|a100|l4|t4 [--config RECIPE:DATABASE] [--devices=8] [--folds=1,10]
"""

import json
import pathlib
from collections.abc import Sequence
from typing import Any

from absl import flags

from dfuse_jax.runtime import cli
from dfuse_jax.runtime.errors import UserError

DTYPES = ("float32", "bfloat16")
TARGETS = ("h100", "h200", "a100", "l4", "t4")
SMALL = {
    "points": 24,
    "neighbours": 4,
    "entry": 4,
    "blocks": ((8, 2),),
    "curves": 4,
    "steps": 1,
    "tokens": 2,
    "depth": 1,
    "time_depth": 0,
}


def main() -> None:
    """Runs the command."""
    config = cli.define_config("hadamard:uva_nemo")
    target = flags.DEFINE_enum("target", None, TARGETS, "A GPU to compile --config for; needs the extra [gpu].")
    devices = flags.DEFINE_integer("devices", 1, "How many of these GPUs a machine has.", lower_bound=1)
    folds = flags.DEFINE_list("folds", None, "How many folds at once. Default: 1,2,5,10; with --target 1,10.")
    dtypes = flags.DEFINE_list("dtypes", list(DTYPES), "Precisions to compute in.")
    baseline = flags.DEFINE_bool("baseline", False, "Time plain PyTorch too; needs the extra [baseline].")
    path = flags.DEFINE_string(
        "json", None, "File of the numbers. Default: results/speed.json, or results/TARGET.json."
    )
    seconds = flags.DEFINE_float("seconds", 10.0, "For how long each call is repeated; the fastest counts.")
    quick = flags.DEFINE_bool("quick", False, "A shrunken model, seconds in all: shows that everything runs.")

    def run(argv: Sequence[str]) -> None:
        if argv[1:]:
            raise UserError(f"{argv[1]!r} is not a flag.")
        check(folds.value, dtypes.value)
        if target.value:
            numbers = compile_for(
                target.value,
                config.value,
                folds=[int(number) for number in folds.value or ("1", "10")],
                dtypes=dtypes.value,
                devices=devices.value,
                quick=quick.value,
            )
        else:
            numbers = measure(
                folds=[int(number) for number in folds.value or ("1", "2", "5", "10")],
                dtypes=dtypes.value,
                baseline=baseline.value,
                seconds=seconds.value,
                quick=quick.value,
            )
        write(numbers, pathlib.Path(path.value or f"results/{target.value or 'speed'}.json"))

    cli.run(run)


def check(folds: Sequence[str] | None, dtypes: Sequence[str]) -> None:
    """Raises UserError for folds or precisions that cannot be."""
    if folds is not None and not (folds and all(number.isdigit() and int(number) > 0 for number in folds)):
        raise UserError(f"--folds={','.join(folds)}: expected numbers from 1 on, as 1,2,5,10.")
    if unknown := set(dtypes) - set(DTYPES):
        raise UserError(f"--dtypes: {', '.join(unknown)} is not one of {', '.join(DTYPES)}.")


def compile_for(
    target: str, config: Any, *, folds: Sequence[int], dtypes: Sequence[str], devices: int, quick: bool
) -> dict:
    """Prints and returns what the recipe asks of a GPU that need not be here."""
    from dfuse_jax.bench.gpu import report

    if quick:
        config.model.update(SMALL)
    return report.run(config.to_dict(), target, folds=folds, dtypes=dtypes, devices=devices, say=say)


def measure(folds: Sequence[int], dtypes: Sequence[str], *, baseline: bool, seconds: float, quick: bool) -> dict:
    """Prints and returns the times of the paper's recipe on this machine."""
    import jax

    from dfuse_jax.bench import speed
    from dfuse_jax.models import DFuseSmileNet

    if baseline:
        speed.require_baseline()  # before an hour of measuring
    return speed.run(
        folds,
        dtypes,
        seconds=0.1 if quick else seconds,
        steps=1 if jax.devices()[0].platform == "cpu" else 20,
        baseline=baseline,
        model=DFuseSmileNet(**SMALL) if quick else None,
        say=say,
    )


def say(line: str) -> None:
    """Prints a line at once."""
    print(line, flush=True)


def write(numbers: dict, path: pathlib.Path) -> None:
    """Writes the numbers as JSON."""
    from dfuse_jax.runtime.files import atomic

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic(path) as file:
            json.dump(numbers, file, indent=1)
    except OSError as error:
        raise UserError(f"--json {path}: cannot be written ({error.strerror}).") from error
    say(f"Numbers: {path}")

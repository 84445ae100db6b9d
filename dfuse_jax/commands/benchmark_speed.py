"""Times the paper's recipe on this machine: training steps and evaluated clips, of several folds at once.

dfuse-benchmark-speed [--folds=1,2,5,10] [--dtypes=float32,bfloat16] [--baseline] [--json FILE] [--quick]
"""

import json
import pathlib
from collections.abc import Sequence

from absl import flags

from dfuse_jax.runtime import cli
from dfuse_jax.runtime.errors import UserError

DTYPES = ("float32", "bfloat16")


def main() -> None:
    """Runs the command."""
    folds = flags.DEFINE_list("folds", ["1", "2", "5", "10"], "How many folds at once.")
    dtypes = flags.DEFINE_list("dtypes", list(DTYPES), "Precisions to compute in.")
    baseline = flags.DEFINE_bool("baseline", False, "Time plain PyTorch too; needs the extra [baseline].")
    path = flags.DEFINE_string("json", "results/speed.json", "File of the numbers.")
    seconds = flags.DEFINE_float("seconds", 10.0, "For how long each call is repeated; the fastest counts.")
    quick = flags.DEFINE_bool("quick", False, "A shrunken model, seconds in all: shows that everything runs.")
    cli.run(
        lambda argv: measure(
            argv[1:],
            folds=folds.value,
            dtypes=dtypes.value,
            baseline=baseline.value,
            path=pathlib.Path(path.value),
            seconds=seconds.value,
            quick=quick.value,
        )
    )


def measure(
    arguments: Sequence[str],
    *,
    folds: Sequence[str],
    dtypes: Sequence[str],
    baseline: bool,
    path: pathlib.Path,
    seconds: float,
    quick: bool,
) -> None:
    """Prints the tables and writes the numbers."""
    if arguments:
        raise UserError(f"{arguments[0]!r} is not a flag.")
    if not folds or not all(number.isdigit() and int(number) > 0 for number in folds):
        raise UserError(f"--folds={','.join(folds)}: expected numbers from 1 on, as 1,2,5,10.")
    if unknown := set(dtypes) - set(DTYPES):
        raise UserError(f"--dtypes: {', '.join(unknown)} is not one of {', '.join(DTYPES)}.")

    import jax

    from dfuse_jax.bench import speed
    from dfuse_jax.models import DFuseSmileNet
    from dfuse_jax.runtime.files import atomic

    if baseline:
        speed.require_baseline()  # before an hour of measuring
    small = DFuseSmileNet(
        points=24, neighbours=4, entry=4, blocks=((8, 2),), curves=4, steps=1, tokens=2, depth=1, time_depth=0
    )
    result = speed.run(
        [int(number) for number in folds],
        dtypes,
        seconds=0.1 if quick else seconds,
        steps=1 if jax.devices()[0].platform == "cpu" else 20,
        baseline=baseline,
        model=small if quick else None,
        say=lambda line: print(line, flush=True),
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic(path) as file:
            json.dump(result, file, indent=1)
    except OSError as error:
        raise UserError(f"--json {path}: cannot be written ({error.strerror}).") from error
    print(f"Numbers: {path}")

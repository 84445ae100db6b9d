"""Times the paper's recipe on this machine: training steps and evaluated clips, of several folds at once.

python launch/benchmark_speed.py [--folds=1,2,5,10] [--dtypes=float32,bfloat16] [--baseline] [--json FILE] [--quick]
"""

import json
import pathlib

from absl import flags

from dfuse_jax.runtime import cli

_FOLDS = flags.DEFINE_list("folds", ["1", "2", "5", "10"], "How many folds at once.")
_DTYPES = flags.DEFINE_list("dtypes", ["float32", "bfloat16"], "Precisions to compute in.")
_BASELINE = flags.DEFINE_bool("baseline", False, "Time plain PyTorch too; needs the extra [baseline].")
_JSON = flags.DEFINE_string("json", "results/speed.json", "File of the numbers.")
_SECONDS = flags.DEFINE_float("seconds", 10.0, "For how long each call is repeated; the fastest counts.")
_QUICK = flags.DEFINE_bool("quick", False, "A shrunken model, seconds in all: shows that everything runs.")


def main(argv):
    """Prints the tables and writes the numbers."""
    if len(argv) > 1:
        raise cli.UserError(f"{argv[1]!r} is not a flag.")
    if not all(number.isdigit() and int(number) > 0 for number in _FOLDS.value) or not _FOLDS.value:
        raise cli.UserError(f"--folds={','.join(_FOLDS.value)}: expected numbers from 1 on, as 1,2,5,10.")
    if unknown := set(_DTYPES.value) - {"float32", "bfloat16"}:
        raise cli.UserError(f"--dtypes: {', '.join(unknown)} is not one of float32, bfloat16.")

    import jax  # only now: --help need not wait for it

    from dfuse_jax.bench import speed
    from dfuse_jax.models import DFuseSmileNet
    from dfuse_jax.runtime.files import atomic

    if _BASELINE.value:
        speed.require_baseline()  # before an hour of measuring
    result = speed.run(
        [int(number) for number in _FOLDS.value],
        _DTYPES.value,
        seconds=0.1 if _QUICK.value else _SECONDS.value,
        steps=1 if jax.devices()[0].platform == "cpu" else 20,
        baseline=_BASELINE.value,
        model=DFuseSmileNet(
            points=24, neighbours=4, entry=4, blocks=((8, 2),), curves=4, steps=1, tokens=2, depth=1, time_depth=0
        )
        if _QUICK.value
        else None,
        say=lambda line: print(line, flush=True),
    )
    path = pathlib.Path(_JSON.value)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic(path) as file:
            json.dump(result, file, indent=1)
    except OSError as error:
        raise cli.UserError(f"--json {path}: cannot be written ({error.strerror}).") from error
    print(f"Numbers: {path}")


if __name__ == "__main__":
    cli.run(main)

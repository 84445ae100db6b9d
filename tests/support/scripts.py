"""Runs the scripts of launch/ as a user does."""

import os
import pathlib
import subprocess
import sys

SESSION = "DFUSE_JAX_TESTS"  # the variable that names the folder of a session of tests
ROOT = pathlib.Path(__file__).resolve().parents[2]

# The smallest cross-validation that has every part: 3 folds of 24 videos, 4 epochs.
TINY = [
    "--config=hadamard",
    "--config.data.videos=24",
    "--config.data.subjects=12",
    "--config.cv.folds=3",
    "--config.cv.runs=2",
    "--config.model.points=20",
    "--config.model.neighbours=4",
    "--config.model.entry=4",
    "--config.model.blocks=((16,2),)",
    "--config.model.curves=4",
    "--config.model.depth=1",
    "--config.model.heads=1",
    "--config.model.head_width=8",
    "--config.model.mlp=8",
    "--config.train.epochs=4",
    "--config.train.batch_size=4",
    "--config.train.eval_windows=2",
    "--config.train.checkpoint_every=1",
]
# As small in every other respect, with a network that is traced and compiled in a moment.
TOY = ["--config=tests/support/toy_recipe.py"]


def command(script, *args):
    """What a shell would be given."""
    return [sys.executable, f"launch/{script}.py", *map(str, args)]


def launch(script, *args, timeout=300):
    """Runs launch/<script>.py to its end and returns it with .returncode, .stdout and .stderr."""
    return subprocess.run(
        command(script, *args), cwd=ROOT, capture_output=True, text=True, timeout=timeout, env=environment()
    )


def environment():
    """One CPU device, whatever the tests themselves run on; what is compiled once serves all scripts of the session.

    Compiling takes most of the time, so little is optimised; tests within the process see the optimised programs.
    """
    folder = os.path.join(os.environ[SESSION], "xla")
    cache = {"JAX_COMPILATION_CACHE_DIR": folder, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    return os.environ | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_backend_optimization_level=0"} | cache


def refused(done, *words):
    """The script ended with an error that a user can act on: a line that has these words, and no traceback."""
    assert done.returncode == 2, done.stderr[-2000:]
    assert "Traceback" not in done.stderr + done.stdout
    line = done.stderr.strip().splitlines()[-1]
    assert line.startswith("error: "), line
    for word in words:
        assert word in line, line

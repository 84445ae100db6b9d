"""Runs the scripts of launch/ as a user does."""

import atexit
import multiprocessing
import os
import pathlib
import runpy
import subprocess
import sys
import tempfile
from unittest import mock

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
    """Runs launch/<script>.py to its end and returns it with .returncode, .stdout and .stderr.

    Its process is forked from one that has imported what most scripts need, which takes longer than many of them.
    """
    arguments = command(script, *args)
    with tempfile.TemporaryDirectory() as folder:
        files = [pathlib.Path(folder, name) for name in ("stdout", "stderr")]
        process = _SERVER.Process(target=_run, args=(arguments[1:], files))
        with mock.patch.dict(os.environ, environment()):  # for the server, which the first process starts
            process.start()
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(arguments, timeout)
        return subprocess.CompletedProcess(arguments, process.exitcode, *(file.read_text() for file in files))


_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["dfuse_jax.experiments.compare", "dfuse_jax.experiments.predict", "dfuse_jax.report"])


def _run(arguments, files):
    """Runs a script in this process, which has been forked for it and ends with it."""
    for file, stream in zip(files, (1, 2), strict=True):
        os.dup2(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND), stream)
    os.chdir(ROOT)
    sys.argv = arguments
    sys.path[0] = str(ROOT / "launch")
    try:
        runpy.run_path(arguments[0], run_name="__main__")
    finally:
        atexit._run_exitfuncs()


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

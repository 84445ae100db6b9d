"""Two processes that train one run: the numbers of a single one, and both end if one does. In float64."""

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
from scripts import ROOT, TINY, TOY, command, environment

MANY = [*TOY, "--config.train.replicas_per_pass=8"]  # twelve replicas: two passes
LONG = [*MANY, "--config.train.epochs=3000"]


def start(arguments, *, devices=1, script=None, **more):
    """A process; `script` takes the place of launch/cv.py."""
    line = command("cv", *arguments) if script is None else [sys.executable, "-c", script, *map(str, arguments)]
    # Compiling takes most of the time.
    flags = {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices} --xla_backend_optimization_level=0"}
    flags["JAX_ENABLE_X64"] = "1"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(line, cwd=ROOT, env=environment() | flags | more, **pipes)


def pair(directory, *own, together=MANY, other=None, **more):
    """Both processes of a run; `own` are further arguments of process 1, and `other` is its folder."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    arguments = [*together, "--coordinator", address, "--num_processes", 2]
    folders = [directory, other or directory]
    return [
        start([*arguments, "--workdir", folders[i], "--process_id", i, *(own if i else ())], **more) for i in (0, 1)
    ]


def slurm(arguments):
    """Both processes of a run as SLURM's srun starts them, on one host."""
    job = {"SLURM_JOB_ID": os.getpid(), "SLURM_STEP_NODELIST": "localhost", "SLURM_STEP_NUM_NODES": 1}
    job |= {"SLURM_NTASKS": 2, "SLURM_STEP_NUM_TASKS": 2}
    tasks = [job | {"SLURM_PROCID": i, "SLURM_LOCALID": i} for i in (0, 1)]
    return [start(arguments, **{name: str(value) for name, value in task.items()}) for task in tasks]


def ended(processes, timeout=500):
    """[(exit code, stdout, stderr)] of both; a test that fails leaves none behind."""
    try:
        ends = [process.communicate(timeout=timeout) for process in processes]
        return [(process.returncode, *end) for process, end in zip(processes, ends, strict=True)]
    finally:
        for process in processes:
            process.kill()


def wait_for(directory, pattern, seconds=400):
    deadline = time.monotonic() + seconds
    while not list(directory.glob(pattern)) and time.monotonic() < deadline:
        time.sleep(0.02)


def predictions(directory):
    """What predictions.csv says: all columns but the last, and the probabilities."""
    with open(directory / "predictions.csv", newline="") as file:
        rows = list(csv.reader(file))[1:]
    return [row[:-1] for row in rows], np.array([float(row[-1]) for row in rows])


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    """The folder of a finished run of one process with one device."""
    return alone(tmp_path_factory.mktemp("single"), MANY)


def alone(directory, arguments):
    ((code, _, err),) = ended([start([*arguments, "--workdir", directory])])
    assert code == 0, err[-3000:]
    return directory


@pytest.mark.long
def test_killed_and_started_again_both_end_as_a_single_process(single, tmp_path):
    kill_and_compare(tmp_path, MANY, single)


@pytest.mark.slow
def test_so_does_the_papers_network(tmp_path):
    arguments = [*TINY, "--config.train.replicas_per_pass=8"]
    kill_and_compare(tmp_path / "two", arguments, alone(tmp_path / "one", arguments))


def kill_and_compare(directory, arguments, single):
    """Kills two processes in the second pass, starts them again, and compares the end with that of one process."""
    processes = pair(directory, together=arguments)
    wait_for(directory, "checkpoints/6")  # in the second pass
    for process in processes:
        process.kill()
    ended(processes)
    assert not (directory / "results.json").exists()
    (code, out, err), (other_code, other_out, other_err) = ended(pair(directory, together=arguments))
    assert (code, other_code) == (0, 0), err[-2000:] + other_err[-2000:]
    assert "pass 2 of 2" in err and "pass 1 of 2" not in err and "8/8" in err  # went on where it was
    assert "validated" in out and other_out == "" and "epoch" not in other_err  # the first alone says something
    (rows, probabilities), (expected_rows, expected) = predictions(directory), predictions(single)
    assert rows == expected_rows
    np.testing.assert_allclose(probabilities, expected, rtol=1e-7)
    accuracies = [json.loads((folder / "results.json").read_text())["protocols"] for folder in (directory, single)]
    for protocol in ("validated", "final", "peeked"):
        assert accuracies[0][protocol] == accuracies[1][protocol]


def test_a_process_that_does_not_see_the_folder_is_named(tmp_path):
    for code, _, err in ended(pair(tmp_path / "one", other=tmp_path / "two")):
        line = err.strip().splitlines()[-1]
        assert code == 2 and line.startswith("error: ") and "process 1 on " in line and "--workdir" in line, line
    assert not (tmp_path / "one" / "config.json").exists()


@pytest.mark.slow
def test_interrupting_one_stops_both_after_the_epoch(tmp_path):
    processes = pair(tmp_path, together=LONG)
    wait_for(tmp_path, "checkpoints/2")
    processes[1].send_signal(signal.SIGTERM)
    for code, _, err in ended(processes):
        assert code == 130 and "Traceback" not in err
        assert err.strip().splitlines()[-1].startswith("interrupted: ")


@pytest.mark.long
def test_an_error_of_one_is_told_by_both(single, tmp_path):
    for own, words in (
        (["--config.train.epochs=0"], ["config.train.epochs is 0"]),
        (["--config.seed=7"], ["process 1 on ", "another config than process 0", "seed: 0 there, 7 here"]),
    ):
        for code, out, err in ended(pair(tmp_path / "new", *own)):
            assert code == 2 and "Traceback" not in err + out
            line = err.strip().splitlines()[-1]
            assert line.startswith("error: ") and all(word in line for word in words), line
    for code, _, err in ended(slurm([*TOY, "--workdir", single])):  # process 0 finds the folder to be another run's
        assert code == 2 and "belongs to a run with another config" in err.strip().splitlines()[-1]


# Process 1 dies; process 0 hears of it when heartbeats are missing, here sooner than the usual minute.
IMPATIENT = """
import runpy, sys
from dfuse_jax.runtime import connect
connect.HEARTBEAT_SECONDS = 15
sys.argv[0] = "launch/cv.py"
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize("killed", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_when_one_is_killed_the_other_ends(tmp_path, killed):
    processes = pair(tmp_path, together=LONG, script=IMPATIENT)
    wait_for(tmp_path, "checkpoints/2")
    processes[killed].kill()
    begin = time.monotonic()
    code, _, err = ended(processes, 60)[1 - killed]
    assert code != 0 and time.monotonic() - begin < 40
    assert "another task died" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--process_id=1"], ["coordinator, process_id and num_processes", "together"]),
        (["--coordinator=a:1", "--process_id=2", "--num_processes=2"], ["process_id is 2", "from 0 to 1"]),
        (["--coordinator=a", "--process_id=0", "--num_processes=2"], ["coordinator is 'a'", "HOST:PORT"]),
    ],
)
def test_flags_that_cannot_be(arguments, words, tmp_path):
    ((code, _, err),) = ended([start([*TOY, "--workdir", tmp_path, *arguments])])
    line = err.strip().splitlines()[-1]
    assert code == 2 and line.startswith("error: ") and all(word in line for word in words), line


def test_processes_with_different_devices_are_refused(tmp_path):
    one, two = pair(tmp_path)
    two.kill()
    two.communicate()
    other = start(two.args[2:], devices=2)
    for code, _, err in ended([one, other]):
        assert code == 2 and "number of devices: 1 there, 2 here" in err.strip().splitlines()[-1]
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("tasks", ["2", ""])
def test_slurm_variables_without_a_step_are_one_clear_line(tasks, tmp_path):
    """As in an ssh session on an allocated node."""
    ((code, _, err),) = ended([start([*TOY, "--workdir", tmp_path], SLURM_STEP_NUM_TASKS=tasks)])
    assert code == 2 and "Traceback" not in err
    line = err.strip().splitlines()[-1]
    assert line.startswith("error: SLURM") and "srun" in line and "unset" in line, line

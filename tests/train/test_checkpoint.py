"""Checkpoints by themselves: errors in one line, and what two processes hold while they save."""

import contextlib
import errno
import socket
import subprocess
import sys

import numpy as np
import orbax.checkpoint as ocp
import pytest
import saving
from scripts import environment

from dfuse_jax import train
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.train import checkpoint


@pytest.fixture
def checkpoints(tmp_path):
    opened = train.Checkpoints(tmp_path)
    yield opened
    opened.close()


def test_what_was_saved_is_read_and_described(checkpoints):
    assert checkpoints.numbers == [] and checkpoints.description == {}
    checkpoints.save(3, {"a": np.arange(4.0)}, {"h": np.ones(2)}, description={"size": 2})
    assert checkpoints.numbers == [3] and checkpoints.description == {"size": 2}
    state, history = checkpoints.restore(3, history={"h": np.zeros(2)})
    assert state is None
    np.testing.assert_array_equal(history["h"], [1, 1])


def save_as_0_1(directory, number):
    """Writes a checkpoint as version 0.1 did: one item, and nothing that says its format."""
    with ocp.CheckpointManager(directory) as manager:
        args = ocp.args.StandardSave({"h": np.ones(2)})
        manager.save(number, args=args, custom_metadata={"replicas_per_pass": 4})


def test_a_checkpoint_of_version_0_1_is_refused(tmp_path):
    save_as_0_1(tmp_path, 4)
    with contextlib.closing(train.Checkpoints(tmp_path)) as opened:
        assert opened.numbers == [4]
        with pytest.raises(UserError, match=r"4 was made by dfuse_jax 0\.1: .* Train again into a new folder") as error:
            opened.restore(4, history={"h": np.zeros(2)})
    assert error.value.remedy == "new_run"


def test_a_checkpoint_of_a_later_version_is_refused(checkpoints, monkeypatch):
    monkeypatch.setattr(checkpoint, "FORMAT", checkpoint.FORMAT + 1)
    checkpoints.save(3, {"a": np.arange(4.0)}, {"h": np.ones(2)})
    monkeypatch.undo()
    with pytest.raises(UserError, match=r"3 was made by a later dfuse_jax"):
        checkpoints.restore(3, history={"h": np.zeros(2)})


def test_a_full_disk_is_one_line_without_a_log(checkpoints, monkeypatch, capfd):
    def fail(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoints._writer, "save", fail)
    with pytest.raises(UserError, match=r"checkpoint 1 cannot be written \(no space left on the device\)"):
        checkpoints.save(1, {"a": np.ones(1)}, {"h": np.ones(1)})
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("RESOURCE_EXHAUSTED: Error writing .../d/1"), "no space left on the device"),
        (PermissionError(errno.EACCES, "Permission denied"), "[Errno 13] Permission denied"),
        (RuntimeError(), "RuntimeError"),
        (ValueError("first line\nsecond line"), "first line"),
    ],
)
def test_reasons_are_short(error, words):
    assert checkpoint._reason(error) == words


def test_two_processes_save_their_own_share_in_little_more_memory(tmp_path):
    """400 MB of state, 200 MB in each process: while it saves, process 0 grows by less than 1.5 times its share."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    processes = [
        subprocess.Popen(
            [sys.executable, saving.__file__, str(rank), port, str(tmp_path)],
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    outputs = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert float(outputs[0][0]) < 1.5

"""stderr is kept from native code's chatter, and comes back; packages that are missing are named with their extra."""

import contextlib
import os
import subprocess
import sys
import threading

import pytest

from dfuse_jax.extract import native
from dfuse_jax.extract.native import quiet, require
from dfuse_jax.runtime.errors import UserError


def _write(text):
    os.write(2, text.encode())


def test_what_is_written_in_the_block_is_dropped(capfd):
    with quiet():
        _write("chatter")
    _write("still there")
    assert capfd.readouterr().err == "still there"


def test_blocks_within_blocks(capfd):
    with quiet():
        with quiet():
            _write("chatter")
        _write("more chatter")
    _write("still there")
    assert capfd.readouterr().err == "still there"


def test_blocks_that_overlap_leave_stderr_as_it_was(capfd):
    """Were stderr copied for each block, the second would keep the first one's /dev/null, and restore that."""
    first, second = contextlib.ExitStack(), contextlib.ExitStack()
    first.enter_context(quiet())
    second.enter_context(quiet())
    first.close()
    _write("chatter")
    second.close()
    _write("still there")
    assert capfd.readouterr().err == "still there"


def test_blocks_of_many_threads_leave_stderr_as_it_was(capfd):
    def work():
        for _ in range(300):
            with quiet():
                _write("chatter")

    descriptors = _open_descriptors()
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    _write("still there")
    assert capfd.readouterr().err == "still there"
    assert _open_descriptors() == descriptors


def _open_descriptors():
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None


def test_a_process_without_stderr():
    """As a service may be started: nothing to keep quiet."""
    code = "from dfuse_jax.extract.native import quiet\nwith quiet():\n    pass\nprint('done')"
    command = f'exec "{sys.executable}" -c "{code}" 2>&-'
    assert subprocess.run(["sh", "-c", command], stdout=subprocess.PIPE, text=True, check=True).stdout == "done\n"


def test_an_error_in_the_block_brings_stderr_back(capfd):
    with pytest.raises(ZeroDivisionError), quiet():
        raise ZeroDivisionError
    _write("still there")
    assert capfd.readouterr().err == "still there"


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(UserError, match=r'mediapipe cannot be imported.*: pip install "dfuse_jax\[extract\]"'):
        require("mediapipe")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r'pip install "dfuse_jax\[ray\]"'):
        require("ray", extra="ray")


@pytest.mark.parametrize(("version", "named"), [((3, 11), False), ((3, 12), False), ((3, 13), True)])
def test_a_python_without_mediapipe_is_told_which_has_it(monkeypatch, version, named):
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    monkeypatch.setattr(native.sys, "version_info", version)
    with pytest.raises(UserError) as error:
        require("mediapipe")
    assert ("Python 3.11 or 3.12" in str(error.value)) == named

"""Files that are whole or not there, and locks: by another process, and on file systems without them."""

import errno
import fcntl
import os
import subprocess
import sys

import pytest

from dfuse_jax.runtime import files
from dfuse_jax.runtime.errors import UserError


class Mistake(Exception):
    pass


def break_off(path):
    with files.atomic(path) as file:
        file.write("half")
        raise Mistake


def test_a_file_is_whole_or_as_it_was(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(Mistake):
        break_off(path)
    assert path.read_text() == "before" and os.listdir(tmp_path) == ["a.txt"]
    with files.atomic(path) as file:
        file.write("José")
    assert path.read_bytes() == "José".encode() and os.listdir(tmp_path) == ["a.txt"]


def test_what_cannot_be_written_is_named(tmp_path, monkeypatch):
    def fail(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # as the system says it: without a name

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left") as caught, files.atomic(tmp_path / "a.txt") as file:
        file.write("x")
    assert caught.value.filename == str(tmp_path / "a.txt") and caught.value.errno == errno.ENOSPC
    assert os.listdir(tmp_path) == []


def test_a_file_of_the_longest_name_is_written(tmp_path):
    """The temporary file has a name, too."""
    names = [f"{'n' * 251}.npz", f"{'é' * 125}.npz", "n" * 255, f"n.{'s' * 253}"]
    for name in names:
        with files.atomic(tmp_path / name) as file:
            file.write("whole")
        assert (tmp_path / name).read_text() == "whole"
    assert sorted(os.listdir(tmp_path)) == sorted(names)


def test_a_name_that_is_not_utf8_can_be_printed():
    assert files.escaped(os.fsdecode(b"caf\xe9 \xc3\xa9.mp4")) == r"caf\xe9 é.mp4"


def test_checksums_differ_by_size_and_content(tmp_path):
    for name, content in (("a", b"123"), ("b", b"124"), ("c", b"123\0")):
        (tmp_path / name).write_bytes(content)
    sums = [files.checksum(tmp_path / name) for name in "abc"]
    assert len(set(sums)) == 3
    assert sums[0] == "3-884863d2"  # CRC-32 of "123", as zip and others give it


def test_a_folder_is_held_by_one_process(tmp_path):
    program = f"from dfuse_jax.runtime import files\nwith files.locked({str(tmp_path)!r}): print('in')"
    with files.locked(tmp_path / "new"):
        assert (tmp_path / "new").is_dir()
    with files.locked(tmp_path):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
        assert "another process is working there" in done.stderr and done.stdout == ""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "in\n", done.stderr


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.EBADF])
def test_a_file_system_without_locks_is_not_taken_for_another_process(tmp_path, monkeypatch, number):
    def refuse(lock, how):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(UserError, match="cannot be locked") as caught, files.locked(tmp_path):
        pass
    assert os.strerror(number) in str(caught.value) and "another process is working" not in str(caught.value)


@pytest.mark.parametrize("number", [errno.EWOULDBLOCK, errno.EACCES])
def test_these_errors_mean_another_process(tmp_path, monkeypatch, number):
    def refuse(lock, how):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(UserError, match="another process is working there"), files.locked(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file.*cannot be written"), files.locked(tmp_path / "file"):
        pass

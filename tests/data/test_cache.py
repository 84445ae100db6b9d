"""The cache of a data set: the same samples from one mapped file, until the sources change."""

import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from scripts import ROOT, environment

from dfuse_jax import samples
from dfuse_jax.data import cache
from dfuse_jax.data.cache import cached
from dfuse_jax.data.dataset import Dataset
from dfuse_jax.data.folds import Fold
from dfuse_jax.data.layouts import folder
from dfuse_jax.data.load import load_dataset
from dfuse_jax.samples import Sample


def sample(name, frames, **fields):
    landmarks = np.random.default_rng(frames).uniform(size=(frames, 478, 3)).astype(np.float32)
    fields = {"fps": 29.97, "image_size": (640, 480), "label": frames % 2, "subject": "é"} | fields
    return Sample(name, landmarks, **fields)


def dataset():
    return Dataset(
        [
            sample("a", 3, flags=np.array([0, 1, 64], np.uint16)),
            sample("b", 4, subject=None),
            sample("c", 1, source="7-00c0ffee"),
        ],
        [Fold(np.array([1, 2]), np.array([0])), Fold(np.array([0]), np.array([1, 2]))],
        ("a note",),
    )


class Made:
    """Counts how often it is made."""

    def __init__(self):
        self.times = 0

    def __call__(self):
        self.times += 1
        return dataset()


def assert_same(found, expected):
    for one, other in zip(found.samples, expected.samples, strict=True):
        np.testing.assert_array_equal(one.landmarks, other.landmarks)
        assert one.landmarks.dtype == np.float32
        assert (one.flags is None) == (other.flags is None)
        if other.flags is not None:
            np.testing.assert_array_equal(one.flags, other.flags)
            assert one.flags.dtype == np.uint16
        assert (one.name, one.fps, one.image_size, one.label, one.subject, one.source) == (
            other.name,
            other.fps,
            other.image_size,
            other.label,
            other.subject,
            other.source,
        )
    for one, other in zip(found.folds, expected.folds, strict=True):
        np.testing.assert_array_equal(one.train, other.train)
        np.testing.assert_array_equal(one.test, other.test)
    assert found.notes == expected.notes


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source"
    path.write_bytes(b"one")
    os.utime(path, ns=(10**18, 10**18))
    return path


def test_it_is_made_once_and_is_the_same_from_the_cache(tmp_path, source):
    made = Made()
    for _ in range(3):
        assert_same(cached(tmp_path, [source], "x", made), dataset())
    assert made.times == 1
    found = cached(tmp_path, [source], "x", made).samples
    whole = found[0].landmarks.base
    assert all(s.landmarks.base is whole for s in found)  # views of one array
    assert not found[0].landmarks.flags.writeable  # of the file: nobody changes it by mistake
    frames = next((tmp_path / "cache").glob("*.f32"))
    np.testing.assert_array_equal(
        np.fromfile(frames, "<f4").reshape(-1, 478, 3), np.concatenate([s.landmarks for s in dataset().samples])
    )


@pytest.mark.parametrize("change", ["content", "time", "another", "kind"])
def test_changed_sources_are_read_anew_and_the_old_cache_goes(tmp_path, source, change):
    made = Made()
    cached(tmp_path, [source], "x", made)
    sources, what = [source], "x"
    if change == "content":
        source.write_bytes(b"two!")
        os.utime(source, ns=(10**18, 10**18))
    elif change == "time":
        os.utime(source, ns=(10**18, 10**18 + 1000))
    elif change == "another":
        (tmp_path / "other").touch()
        sources.append(tmp_path / "other")
    else:
        what = "y"
    assert_same(cached(tmp_path, sources, what, made), dataset())
    assert made.times == 2
    assert sorted(path.suffix for path in (tmp_path / "cache").iterdir()) == [".f32", ".json"]


@pytest.mark.parametrize("damage", ["cut", "longer", "empty", "no frames", "no JSON", "other JSON", "nested JSON"])
def test_a_damaged_cache_is_made_again(tmp_path, source, damage):
    made = Made()
    cached(tmp_path, [source], "x", made)
    frames, header = (next((tmp_path / "cache").glob(f"*{suffix}")) for suffix in (".f32", ".json"))
    if damage == "cut":
        frames.write_bytes(frames.read_bytes()[:-1])
    elif damage == "longer":
        frames.write_bytes(frames.read_bytes() + b"1234")
    elif damage == "empty":
        frames.write_bytes(b"")
    elif damage == "no frames":
        frames.unlink()
    elif damage == "no JSON":
        header.write_text(header.read_text()[:-5])
    elif damage == "nested JSON":
        header.write_text("[" * 100_000)
    else:
        header.write_text(json.dumps([1]))
    for _ in range(2):
        assert_same(cached(tmp_path, [source], "x", made), dataset())
    assert made.times == 2


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_where_no_cache_can_be_written_the_data_are_read_all_the_same(tmp_path, source, monkeypatch, error):
    def refuse(*_):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "fsync", refuse)  # the last moment at which a disk can be full
    made = Made()
    for times in (1, 2):
        found = cached(tmp_path, [source], "x", made)
        assert made.times == times
        assert_same(found._replace(notes=found.notes[:1]), dataset())
        assert os.strerror(error) in found.notes[1] and str(tmp_path / "cache") in found.notes[1]
    assert not list((tmp_path / "cache").iterdir())  # no half-written file


def test_a_disk_that_fills_up_leaves_no_half_cache(tmp_path):
    """A real one: no file may grow beyond 64 KiB."""
    samples.save(sample("a", 40), tmp_path / "a.npz")
    samples.save(sample("b", 41), tmp_path / "b.npz")
    code = (
        "import sys; from dfuse_jax.data.load import load_dataset; found = load_dataset(sys.argv[1], 'folder');"
        "print(len(found.samples), found.notes)"
    )

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))

    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, env=environment() | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        preexec_fn=limit, timeout=60,
    )  # fmt: skip
    assert done.stdout.startswith("2 (") and "no cache can be written (File too large)" in done.stdout, done.stderr
    assert not list((tmp_path / "cache").iterdir())


def test_leftovers_of_a_killed_writer_go(tmp_path, source):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / ".0123.f32.abcd").write_bytes(b"half")
    cached(tmp_path, [source], "x", Made())
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_a_moved_data_set_keeps_its_cache(tmp_path, monkeypatch):
    root = tmp_path / "here"
    root.mkdir()
    samples.save(sample("a", 4), root / "a.npz")
    first = load_dataset(str(root), "folder")
    shutil.move(root, tmp_path / "there")
    monkeypatch.setattr(folder, "read", lambda root: pytest.fail("read anew"))
    np.testing.assert_array_equal(
        load_dataset(str(tmp_path / "there"), "folder").samples[0].landmarks, first.samples[0].landmarks
    )


def test_the_format_is_a_part_of_the_key(tmp_path, source, monkeypatch):
    before = cache.fingerprint(tmp_path, [source])
    monkeypatch.setattr(cache, "FORMAT", 0)
    assert cache.fingerprint(tmp_path, [source]) != before

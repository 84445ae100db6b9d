"""The cache of compiled programs: where it lies, that it stays within its limit, and that no script depends on it."""

import os
import pathlib

import jax
import pytest

from dfuse_jax.runtime import compilation

DIR = "JAX_COMPILATION_CACHE_DIR"
told = []  # to JAX, which the tests themselves use without a cache


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv(DIR, "")  # so that it is put back after the test
    monkeypatch.delenv(DIR)
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "9")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(jax.config, "update", lambda option, value: told.append((option, value)), raising=False)
    told.clear()
    return tmp_path


def test_it_lies_in_the_users_cache(home):
    compilation.keep()
    folder = pathlib.Path(os.environ[DIR])
    assert folder.is_dir() and folder.is_relative_to(home / "cache" / "dfuse_jax")
    assert os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] == "9"  # the user's word
    assert told == [("jax_compilation_cache_dir", str(folder))]


@pytest.mark.parametrize("said", ["", "/somewhere/else"])
def test_the_users_folder_or_none_comes_first(home, monkeypatch, said):
    monkeypatch.setenv(DIR, said)
    compilation.keep()
    assert os.environ[DIR] == said and not (home / "cache").exists()


def test_without_a_place_to_write_it_is_off(home):
    (home / "cache").write_text("not a folder")
    compilation.keep()
    assert DIR not in os.environ and told == []


def test_the_oldest_files_go_when_there_are_too_many(home, monkeypatch):
    monkeypatch.setattr(compilation, "LIMIT", 250)
    folder = home / "cache" / "dfuse_jax" / "xla" / "some"
    folder.mkdir(parents=True)
    for age in range(4):
        (folder / f"{age}").write_bytes(bytes(100))
        os.utime(folder / f"{age}", (1e9 - age, 1e9 - age))
    compilation.keep()
    assert sorted(path.name for path in folder.iterdir()) == ["0", "1"]

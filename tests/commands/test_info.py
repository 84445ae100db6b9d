"""dfuse-info: what a bug report needs, with and without the extras."""

import configparser
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys

import pytest
from scripts import ROOT, launch, refused

import dfuse_jax
from dfuse_jax.commands import info


def _requirements(section, key):
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(ROOT / "setup.cfg")
    lines = [line.split("#")[0].strip() for line in setup[section][key].splitlines()]
    return [re.split(r"[<>=]", line)[0] for line in lines if line]


def test_the_packages_are_those_that_setup_cfg_requires():
    assert {*info.CORE} - {"jaxlib"} == {*_requirements("options", "install_requires")}
    for extra, names in info.EXTRAS.items():
        required = [name for name in _requirements("options.extras_require", extra) if name != "%(extract)s"]
        required = [{"jax[cuda12]": "jax-cuda12-plugin"}.get(name, name) for name in required]
        assert [
            name for name in names if extra not in ("ray", "analyse") or name not in info.EXTRAS["extract"]
        ] == required


def test_json_holds_versions_devices_and_caches(tmp_path):
    cache = tmp_path / "data" / "smiles" / "cache"
    cache.mkdir(parents=True)
    (cache / "0123.f32").write_bytes(bytes(5000))
    (cache / "0123.json").write_bytes(bytes(21))
    done = launch("info", "--json", tmp_path / "data")
    assert (done.returncode, done.stderr) == (0, "")
    facts = json.loads(done.stdout)
    assert facts["dfuse_jax"]["version"] == dfuse_jax.__version__
    assert facts["python"]["version"] == platform.python_version()
    assert facts["packages"]["jax"] == importlib.metadata.version("jax")
    assert facts["jax"]["devices"] == [{"platform": "cpu", "kind": "cpu", "memory_bytes": None}]
    assert facts["jax"]["float64"] is False
    compiled, data = facts["caches"]
    assert compiled["path"] == os.path.join(os.environ["DFUSE_JAX_TESTS"], "xla")
    assert data == {"content": "data", "path": str(cache), "bytes": 5021, "empty": f"rm -r {cache}"}


def test_a_folder_that_is_missing_is_refused(tmp_path):
    refused(launch("info", tmp_path / "none"), "none: no such folder", "dfuse-info [DIR ...]")


def test_text_says_what_is_missing_and_how_to_install_it(monkeypatch):
    installed = {"jax": "0.10.2", "av": "18.1.0"}
    monkeypatch.setattr(info, "_version", installed.get)
    lines = info.text(info.collect()).splitlines()
    assert "  jax 0.10.2" in lines
    assert "  flax is missing" in lines
    assert '  extract: missing mediapipe (av 18.1.0); pip install "dfuse_jax[extract]"' in lines
    assert '  baseline: missing torch; pip install "dfuse_jax[baseline]"' in lines
    assert "  cpu: cpu" in lines


def test_jax_that_does_not_start_is_a_part_of_the_report():
    program = "from dfuse_jax.commands import info; print(info.text(info.collect()))"
    environment = os.environ | {"JAX_PLATFORMS": "abacus"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    (line,) = [line for line in done.stdout.splitlines() if "JAX does not start: " in line]
    assert "abacus" in line
    assert "  JAX_PLATFORMS=abacus" in done.stdout.splitlines()


@pytest.mark.parametrize(
    ("variable", "line"),
    [
        ("", "  compiled programs: none are kept"),
        ("/a b/xla", "  compiled programs: /a b/xla, 0.0 MB; to empty it: rm -r '/a b/xla'"),
    ],
)
def test_the_cache_of_compiled_programs_is_where_the_environment_says(monkeypatch, variable, line):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", variable)
    assert line in info.text(info.collect()).splitlines()


def test_the_cache_of_compiled_programs_is_that_of_all_processors(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for processor, size in (("aaaa", 30), ("bbbb", 12)):
        folder = tmp_path / "dfuse_jax" / "xla" / processor
        folder.mkdir(parents=True)
        (folder / "program").write_bytes(bytes(size))
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(folder))
    (cache,) = info.collect()["caches"]
    assert (cache["path"], cache["bytes"]) == (str(tmp_path / "dfuse_jax" / "xla"), 42)

"""Processes that extract: what they import, and that they end with the one that started them."""

import json
import subprocess
import sys
import textwrap

import pytest

from dfuse_jax import samples
from dfuse_jax.extract.batch import Job, extract_all

HEAVY = ("jax", "jaxlib", "flax", "optax", "tensorflow", "torch", "sklearn", "pandas", "ray")


class Modules(str):
    """A subject that becomes the list of what the process that reads it has imported."""

    def __reduce__(self):
        return eval, ("','.join(__import__('sys').modules)",)


def _imported(path):
    return set(samples.load(path).subject.split(","))


def test_a_process_extracts_without_jax(videos, tmp_path):
    """The second job of one process sees what the first has left."""
    jobs = [Job(videos["a"], "first", 1, Modules()), Job(videos["b"], "second", 1, Modules())]
    extracted = extract_all(jobs, tmp_path, workers=1).extracted
    for path in extracted.values():
        imported = _imported(path)
        assert {"mediapipe", "numpy", "dfuse_jax.extract.mesh"} <= imported
        assert not imported & set(HEAVY)


def test_the_callers_script_is_not_run_again(videos, tmp_path):
    """It needs no `if __name__ == "__main__"`, and what it imports is not imported by the processes that extract."""
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(f"""
        import jax, json, pathlib
        from dfuse_jax.extract.batch import Job, extract_all
        outcome = extract_all([Job(pathlib.Path({str(videos["a"])!r}), "a")], {str(tmp_path / "out")!r}, workers=2)
        print(json.dumps([list(outcome.extracted), outcome.failed]))
        """)
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [["a"], {}]


def test_a_process_that_cannot_start_is_an_error(videos, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(Exception, match=r"No process can be started that extracts\. exit code 1"):
        extract_all([Job(videos["a"], "a")], tmp_path)

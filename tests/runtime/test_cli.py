"""The wrapper around every script of launch/: what a user sees of errors, and exit codes."""

import os
import signal
import subprocess
import sys

import pytest

CONFIG = """
from ml_collections import config_dict

def get_config():
    return config_dict.create(rate=0.5, model=config_dict.create(width=3))
"""
SCRIPT = """
import sys, time
from absl import flags
from dfuse_jax.runtime import cli
from dfuse_jax.runtime.errors import UserError

CONFIG = cli.define_config("settings.py")
DO = flags.DEFINE_enum("do", "print", ["print", "refuse", "remedy", "wait", "break", "fill"], "What to do.")

def main(argv):
    if DO.value == "refuse":
        raise UserError("it is wrong. Mend it.")
    if DO.value == "remedy":
        raise UserError("there are too few.", remedy="folds")
    if DO.value == "fill":
        raise OSError(28, "No space left on device", "results/report.md")
    if DO.value == "wait":
        print("waiting", flush=True)
        time.sleep(60)
    if DO.value == "break":
        raise ZeroDivisionError
    print(argv[1:], CONFIG.value.rate, CONFIG.value.model.width)

cli.run(main)
"""


@pytest.fixture
def script(tmp_path):
    (tmp_path / "settings.py").write_text(CONFIG)
    (tmp_path / "script.py").write_text(SCRIPT)

    def start(*arguments):
        command = [sys.executable, "script.py", *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, cwd=tmp_path, env=os.environ | {"XDG_CACHE_HOME": str(tmp_path)}, **pipes)

    return start


def _run(process):
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_arguments_and_config_fields_reach_main(script):
    assert _run(script("a", "--config.rate=0.25", "b", "--config.model.width=7")) == (0, "['a', 'b'] 0.25 7\n", "")


def test_user_error_is_one_line(script):
    assert _run(script("--do=refuse")) == (2, "", "error: it is wrong. Mend it.\n")


def test_a_remedy_names_the_flag(script):
    assert _run(script("--do=remedy")) == (2, "", "error: there are too few. Set --config.cv.folds.\n")


def test_a_full_disk_is_one_line(script):
    code, _, err = _run(script("--do=fill"))
    assert code == 2
    assert err.startswith("error: results/report.md: cannot be written (No space left on device).")
    assert "goes on from there" in err and "Traceback" not in err


def test_debug_adds_the_traceback(script):
    code, _, err = _run(script("--do=refuse", "--debug"))
    assert code == 2
    assert err.startswith("Traceback")
    assert err.endswith("error: it is wrong. Mend it.\n")


def test_a_fault_of_the_program_keeps_its_traceback(script):
    code, _, err = _run(script("--do=break"))
    assert code == 1
    assert "Traceback" in err


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--dop=print", "'dop'"),
        ("--do=dance", "dance"),
        ("--config.rate=fast", "'fast'"),
        ("--config.rates=1", 'Did you mean "rate" instead of "rates"?'),
        ("--config.model.depth=1", "no such field: 'depth'"),
        ("--config=missing.py", "missing.py"),
    ],
)
def test_bad_flag_is_one_line(script, argument, message):
    code, out, err = _run(script(argument))
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1


def test_interrupt_is_one_line(script):
    process = script("--do=wait")
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGINT)
    code, _, err = _run(process)
    assert code == 130
    assert err.startswith("interrupted: ")
    assert err.count("\n") == 1


def test_help_lists_the_flags(script):
    code, out, err = _run(script("--help"))
    assert (code, err) == (0, "")
    for flag in ("--config", "--do", "debug"):
        assert flag in out

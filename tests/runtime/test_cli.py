"""The wrapper around every command: what a user sees of errors, help and version, and exit codes."""

import os
import signal
import subprocess
import sys

import pytest

import dfuse_jax

CONFIG = """
from ml_collections import config_dict

def get_config():
    return config_dict.create(rate=0.5, model=config_dict.create(width=3))
"""
SCRIPT = """\"\"\"Prints the settings.\"\"\"
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
        ("--config=missing.py", "missing.py: no such recipe"),
        ("--config=hadamrd:mmi", "hadamrd: no such recipe. Give a file, or one of hadamard, "),
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


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--config.rate=fast", "--help"], ["--config=none", "--dop", "--help"]]
)
def test_help_lists_the_flags_whatever_else_is_there(script, arguments):
    code, out, err = _run(script(*arguments))
    assert (code, err) == (0, "")
    assert out.startswith("Prints the settings.")
    for text in ("--config: ", "'settings.py'", "--do: ", "--[no]debug: ", "--[no]version: "):
        assert text in out


def test_version_is_printed_whatever_else_is_there(script):
    assert _run(script("--config.rate=fast", "--version")) == (0, f"dfuse_jax {dfuse_jax.__version__}\n", "")


def test_help_and_version_read_no_recipe(script, tmp_path):
    (tmp_path / "settings.py").write_text("raise RuntimeError")
    assert _run(script("--help"))[0] == 0
    assert _run(script("--version"))[0] == 0


@pytest.mark.parametrize("command", ["cv", "extract", "info"])
def test_windows_is_refused_in_one_line(command):
    """It has no fcntl, and a command gets as far as to say so."""
    program = (
        "import sys; sys.modules['fcntl'] = None; sys.argv = ['dfuse']; "
        f"from dfuse_jax.commands import {command}; sys.platform = 'win32'; {command}.main()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: dfuse_jax runs on Linux and macOS.") and done.stderr.count("\n") == 1

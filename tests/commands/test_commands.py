"""All commands: each has a script and an entry point, and starts at once."""

import configparser
import re
import subprocess
import sys

import pytest
from scripts import ROOT

import dfuse_jax
from dfuse_jax.runtime import cli

COMMANDS = sorted(path.stem for path in (ROOT / "dfuse_jax" / "commands").glob("[a-z]*.py"))


def _entry_points():
    setup = configparser.ConfigParser(interpolation=None)
    setup.read(ROOT / "setup.cfg")
    lines = setup["options.entry_points"]["console_scripts"].strip().splitlines()
    return dict(line.split(" = ") for line in lines)


def test_a_command_is_a_module_a_script_and_an_entry_point():
    assert [path.stem for path in sorted((ROOT / "launch").glob("*.py"))] == COMMANDS
    assert _entry_points() == {
        f"dfuse-{name.replace('_', '-')}": f"dfuse_jax.commands.{name}:main" for name in COMMANDS
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_help_and_version_wait_for_nothing(name):
    """The flags of `build` are those of TFDS, which is loaded for them: of that one, the version."""
    flag, answer = (
        ("--version", f"dfuse_jax {dfuse_jax.__version__}") if name == "build" else ("--help", "--[no]version")
    )
    program = f"""
import sys
sys.argv = ["dfuse", {flag!r}]
from dfuse_jax.commands.{name} import main
try:
    main()
finally:
    print({{"jax", "numpy", "sklearn", "mediapipe"}} & sys.modules.keys() or "nothing heavy")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert answer in done.stdout
    assert done.stdout.endswith("nothing heavy\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_docstring_names_the_command_it_is_of(name):
    """--help prints it."""
    words = (ROOT / "dfuse_jax" / "commands" / f"{name}.py").read_text().split('"""')[1].split()
    assert f"dfuse-{name.replace('_', '-')}" in words


def test_messages_name_commands_that_exist():
    """A wheel holds no launch/."""
    sources = [(ROOT / "dfuse_jax" / "commands" / f"{name}.py").read_text() for name in COMMANDS]
    texts = [*cli.REMEDIES.values(), *sources]
    named = {word for text in texts for word in re.findall(r"dfuse-[a-z]+(?:-[a-z]+)*", text)}
    assert {"dfuse-cv", "dfuse-extract"} <= named <= _entry_points().keys()
    assert not [text for text in texts if "launch/" in text]

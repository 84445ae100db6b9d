"""Rules of the house that no linter knows: who may speak of flags, where sizes stand, what runs at import."""

import ast
import os
import pathlib
import re
import subprocess
import sys

import pytest

import dfuse_jax

ROOM = pathlib.Path(dfuse_jax.__file__).parent
MODULES = sorted(ROOM.rglob("*.py"))
COMMAND_LINE = ("runtime/cli.py", "commands/")
CONFIGS = ("experiments/", "systems/")  # their functions take a config, so its fields are parts of an argument


def relative(path):
    return path.relative_to(ROOM).as_posix()


def trees():
    return [(relative(path), ast.parse(path.read_text())) for path in MODULES]


def strings(tree):
    """All string constants but docstrings."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def test_only_the_command_line_speaks_of_flags_commands_and_fields():
    offences = []
    for name, tree in trees():
        if name.startswith((*COMMAND_LINE, "bench/")):
            continue
        pattern = r"(^|\s)--[a-z]|launch/|dfuse-[a-z]" + ("" if name.startswith(CONFIGS) else r"|\bconfig\.[a-z]")
        for line, text in strings(tree):
            if re.search(pattern, text.replace("ray start --head", "")):  # a command of Ray's, not of ours
                offences.append(f"{name}:{line}: {text}")
    assert not offences, "\n".join(offences)


def test_the_two_sizes_have_one_name_each():
    offences = [
        f"{name}:{node.lineno}"
        for name, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in (478, 225) and type(node.value) is int
        if name not in ("constants.py", "bench/torch/model.py")  # the baseline is written as its authors would
    ]
    assert not offences, offences


def test_no_module_asserts_when_it_is_imported():
    offences = [f"{name}:{node.lineno}" for name, tree in trees() for node in tree.body if isinstance(node, ast.Assert)]
    assert not offences, "python -O would drop these: " + ", ".join(offences)


def test_the_library_speaks_with_one_voice():
    """print stands in runtime/ and commands/, and where a benchmark is a program of its own."""
    offences = [
        f"{name}:{node.lineno}"
        for name, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
        if not name.startswith(("runtime/", "commands/", "bench/", "data/synthetic/neutral_face", "train/interrupt"))
        if name != "data/synthetic/mesh.py"  # it is a program, too
    ]
    assert not offences, offences


def test_every_remedy_that_is_named_is_known():
    from dfuse_jax.runtime.cli import REMEDIES

    named = {
        keyword.value.value
        for _, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "remedy" and isinstance(keyword.value, ast.Constant)
    }
    assert named == REMEDIES.keys()


def test_importing_the_package_loads_nothing():
    program = "import dfuse_jax, sys; print([m for m in ('jax', 'numpy', 'mediapipe', 'flax') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("heavy", ["mediapipe", "tensorflow_datasets", "tensorflow", "torch", "cv2", "av"])
def test_the_core_imports_nothing_heavy(heavy):
    program = (
        "import dfuse_jax.dmarkers, dfuse_jax.models, dfuse_jax.train, dfuse_jax.systems.dfusesmilenet, "
        f"dfuse_jax.experiments.crossval, sys; print({heavy!r} in sys.modules)"
    )
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_public_face():
    assert dfuse_jax.Sample.__name__ == "Sample"
    assert set(dfuse_jax.__all__) <= set(dir(dfuse_jax))
    for name in dfuse_jax.__all__:
        assert getattr(dfuse_jax, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'smile'"):
        _ = dfuse_jax.smile


@pytest.mark.parametrize(
    "page", [ROOM.parent / "README.md", *sorted((ROOM.parent / "docs").rglob("*.md"))], ids=lambda page: page.name
)
def test_pages_name_only_what_exists(page):
    """Names in back quotes such as `epoch.over_replicas` and `floor.py` are those of modules, and what these define."""
    modules = {}
    for path in MODULES:
        name = path.parent.name if path.stem == "__init__" else path.stem
        modules[name] = modules.get(name, "") + path.read_text()
    for module, member in re.findall(r"`([a-z_]+)\.([A-Za-z_]+)`", page.read_text()):
        if member == "py":
            assert module in modules or (ROOM.parent / "launch" / f"{module}.py").exists(), module
        elif module in modules and member not in (
            "csv",
            "html",
            "json",
            "md",
            "npz",
            "parquet",
            "png",
        ):  # of files: quality.csv
            defined = rf'(def|class) {member}\b|"{member}",|^{member} [:=]'
            assert member in modules or re.search(defined, modules[module], re.MULTILINE), f"{module}.{member}"

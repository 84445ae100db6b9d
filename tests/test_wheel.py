"""The wheel and an editable install, each used from a folder that is not the checkout."""

import subprocess
import sys
import tarfile
import venv

import pytest
from scripts import ROOT, TINY, environment, refused

pytestmark = pytest.mark.slow


class Environment:
    """A virtual environment, and its commands, called from the root of the file system."""

    def __init__(self, folder):
        venv.create(folder, with_pip=True)
        self.folder = folder

    def install(self, *packages):
        """Installs packages by pip."""
        pip = [self.folder / "bin" / "python", "-m", "pip", "install", "--quiet", *packages]
        subprocess.run(pip, check=True, cwd="/", env=self.variables())

    def run(self, command, *arguments):
        """Runs a command to its end."""
        line = [self.folder / "bin" / command, *map(str, arguments)]
        pipes = {"capture_output": True, "text": True}
        return subprocess.run(line, cwd="/", timeout=300, env=self.variables(), **pipes)

    def variables(self):
        """Those of the tests' scripts, without what would let it find the checkout."""
        return {name: value for name, value in environment().items() if name != "PYTHONPATH"}


@pytest.fixture(scope="module")
def distributions(tmp_path_factory):
    """A source distribution, and the wheel that is built of it."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--outdir", folder, ROOT]
    done = subprocess.run(build, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return next(folder.glob("*.tar.gz")), next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def core(distributions, tmp_path_factory):
    """The wheel without extras."""
    wheel = Environment(tmp_path_factory.mktemp("core"))
    wheel.install(distributions[1])
    return wheel


def test_the_source_distribution_holds_what_git_does(distributions):
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    with tarfile.open(distributions[0]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    missing = {name for name in files if not name.startswith(".")} - names
    assert not missing


def test_a_demo_is_cross_validated_by_the_name_of_its_recipe(core, tmp_path):
    done = core.run("dfuse-cv", *TINY, "--workdir", tmp_path / "run")
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "run" / "report.md").exists()
    by_default = core.run("dfuse-cv", *TINY[1:], "--workdir", tmp_path / "run")
    assert "This run is finished" in by_default.stdout, by_default.stderr[-3000:]


def test_a_mistyped_recipe_gets_the_list(core):
    refused(core.run("dfuse-cv", "--config=hadamrd:mmi"), "hadamrd: no such recipe", "one of hadamard, ", "film")
    refused(core.run("dfuse-benchmark", "--config=/none/mine.py"), "/none/mine.py: no such recipe", "benchmark")


def test_info_says_which_extras_are_missing(core):
    done = core.run("dfuse-info")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"in {core.folder}" in done.stdout.splitlines()[0]
    assert '  extract: missing mediapipe, av; pip install "dfuse_jax[extract]"' in done.stdout.splitlines()


def test_commands_name_the_extra_that_they_miss(core, tmp_path):
    (tmp_path / "smile.mp4").touch()
    (tmp_path / "videos.csv").write_text("path,label,subject\nsmile.mp4,posed,1\n")
    out = ("--out", tmp_path / "out")
    for done in (
        core.run("dfuse-extract", tmp_path / "smile.mp4", *out),
        core.run("dfuse-dataset", tmp_path / "videos.csv", *out),
    ):
        refused(done, 'pip install "dfuse_jax[extract]"')
        assert done.stderr.count("\n") == 1
    refused(core.run("dfuse-build", "mmi"), 'pip install "dfuse_jax[tfds]"')


def test_videos_are_extracted_with_the_extra(core, distributions, real_smile, tmp_path):
    """From here on, the environment is no longer that of the core."""
    core.install(f"{distributions[1]}[extract,tfds]")
    done = core.run("dfuse-extract", real_smile[0], "--out", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "astronaut.npz").exists()
    assert "  extract: mediapipe 0.10.14, av " in core.run("dfuse-info").stdout
    assert "--manual_dir" in core.run("dfuse-build", "--help").stdout


def test_an_editable_install_reads_the_recipes_of_the_checkout(core, tmp_path):
    core.install("--no-deps", "--editable", ROOT)
    assert f"in {ROOT}" in core.run("dfuse-info").stdout.splitlines()[0]
    refused(core.run("dfuse-cv", "--config=hadamrd"), "one of hadamard, ")
    done = core.run("dfuse-cv", "--config=hadamard:mmi", f"--config.data.dir={tmp_path}", "--workdir", tmp_path / "run")
    refused(done, str(tmp_path), "dfuse-build")

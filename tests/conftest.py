"""What several test files share: a finished run, a video of a real face, and its landmarks."""

import fcntl
import os
import pathlib
import pickle
import tempfile

import pytest
from scripts import SESSION, TINY, launch


def pytest_configure(config):
    """Makes a folder for all processes of the session; those that xdist starts inherit the variable that names it."""
    if SESSION not in os.environ:
        folder = tempfile.TemporaryDirectory()
        os.environ[SESSION] = folder.name
        config.add_cleanup(folder.cleanup)


@pytest.fixture(scope="session")
def finished():
    """The folder of a finished tiny run, and what the script printed; the session's first process to ask makes it."""
    folder = pathlib.Path(os.environ[SESSION])
    printed = folder / "finished.pickle"
    with (folder / "finished.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not printed.exists():
            done = launch("cv", *TINY, "--workdir", folder / "finished")
            assert done.returncode == 0, done.stderr[-3000:]
            printed.write_bytes(pickle.dumps(done))
    return folder / "finished", pickle.loads(printed.read_bytes())


@pytest.fixture(scope="session")
def real_smile(tmp_path_factory):
    """A video of a real face, and its amplitude [T]: onset in frames 8 to 26, apex to 41, offset to 63."""
    from faces import render_smile  # needs OpenCV, which the core's tests do without

    path = tmp_path_factory.mktemp("video") / "astronaut.mkv"  # lossless: phases depend on what a codec does
    return path, render_smile(path, frames=75, start=8, onset=18, apex=15, offset=22, seed=3)


@pytest.fixture(scope="session")
def real_sample(real_smile):
    """What Attention Mesh finds in it."""
    from dfuse_jax.extract.landmarks import extract_landmarks

    return extract_landmarks(real_smile[0])

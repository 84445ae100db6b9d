"""What several test files share: a finished run, a video of a real face, and its landmarks."""

import pytest
from scripts import TINY, launch


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The folder of a finished tiny run, and what the script printed."""
    directory = tmp_path_factory.mktemp("cv") / "run"
    done = launch("cv", *TINY, "--workdir", directory)
    assert done.returncode == 0, done.stderr[-3000:]
    return directory, done


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

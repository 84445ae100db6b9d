"""What several test files of extraction share: short videos of a real face, and a folder of their landmarks."""

import pytest
from faces import render_smile

from dfuse_jax.extract.batch import Job, extract_all


@pytest.fixture(scope="session")
def videos(tmp_path_factory):
    """{name: video}, which differ: a, b and c, of 6, 7 and 8 frames."""
    folder = tmp_path_factory.mktemp("videos")
    for seed, name in enumerate("abc"):
        render_smile(folder / f"{name}.avi", frames=6 + seed, size=(320, 240), start=1, onset=2, apex=1, seed=seed)
    return {name: folder / f"{name}.avi" for name in "abc"}


@pytest.fixture(scope="session")
def jobs(videos):
    return [Job(path, name, index % 2, f"subject {name}") for index, (name, path) in enumerate(videos.items())]


@pytest.fixture(scope="session")
def extracted(jobs, tmp_path_factory):
    """The folder that one process makes of the jobs, and the outcome."""
    out = tmp_path_factory.mktemp("extracted") / "out"
    return out, extract_all(jobs, out, workers=1)


@pytest.fixture
def copy(extracted, tmp_path):
    """A folder with the same files, to be changed."""
    for path in extracted[0].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path

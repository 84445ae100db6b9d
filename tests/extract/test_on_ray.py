"""Extraction by Ray gives the bytes of the processes of this machine."""

import pytest

pytest.importorskip("mediapipe")
pytest.importorskip("skimage")
pytest.importorskip("ray")
try:
    import pyarrow  # noqa: F401
except ModuleNotFoundError:
    pass
except ImportError as error:  # Ray imports it if it is there
    pytest.skip(f"the pyarrow here does not go with the numpy here: {error}", allow_module_level=True)

from faces import render_smile

from dfuse_jax.extract.batch import Job, extract_all
from dfuse_jax.runtime.errors import UserError


def test_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the machines of a cluster have other working folders
    for seed in range(3):
        render_smile(f"{seed}.avi", frames=5, size=(320, 240), start=1, onset=1, apex=1, offset=1, seed=seed)
    (tmp_path / "text.avi").write_text("not a video\n" * 100)
    jobs = [Job(f"{name}.avi", name, 1, "someone") for name in ("0", "text", "1", "2")]
    here = extract_all(jobs, tmp_path / "here", workers=1)
    there = extract_all(jobs, tmp_path / "there", workers=2, ray="local")
    assert there.failed == here.failed and "no video" in there.failed["text"]
    assert list(there.extracted) == ["0", "1", "2"]
    for name in ("0.npz", "1.npz", "2.npz", "manifest.json"):
        assert (tmp_path / "there" / name).read_bytes() == (tmp_path / "here" / name).read_bytes()


def test_a_cluster_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match=r"--ray 127\.0\.0\.1:1: nothing answers there"):
        extract_all([Job(tmp_path / "a.avi", "a")], tmp_path / "out", ray="127.0.0.1:1")

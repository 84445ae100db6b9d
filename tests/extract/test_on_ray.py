"""Extraction by Ray gives the bytes of the processes of this machine."""

import pytest
from faces import render_smile

from dfuse_jax.extract.batch import Job, extract_all
from dfuse_jax.runtime.errors import UserError


def test_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the machines of a cluster have other working folders
    for seed in range(3):
        render_smile(f"{seed}.avi", frames=5, size=(320, 240), start=1, onset=1, apex=1, offset=1, seed=seed)
    (tmp_path / "text.avi").write_text("not a video\n" * 100)
    jobs = [Job(f"{name}.avi", name, 1, "someone") for name in ("0", "text", "1", "2")]
    on_cores = extract_all(jobs, tmp_path / "on_cores", workers=1)
    on_ray = extract_all(jobs, tmp_path / "on_ray", workers=2, ray="local")
    assert on_ray.failed == on_cores.failed and "no video" in on_ray.failed["text"]
    assert list(on_ray.extracted) == ["0", "1", "2"]
    for name in ("0.npz", "1.npz", "2.npz", "manifest.json"):
        assert (tmp_path / "on_ray" / name).read_bytes() == (tmp_path / "on_cores" / name).read_bytes()


def test_a_cluster_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match=r"ray='127\.0\.0\.1:1': no Ray cluster answers there") as error:
        extract_all([Job(tmp_path / "a.avi", "a")], tmp_path / "out", ray="127.0.0.1:1")
    assert error.value.remedy == "ray"

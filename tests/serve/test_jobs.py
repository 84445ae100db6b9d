"""Videos that are sent: by a real server, which analyses them in processes of their own."""

import json
import os
import pathlib
import subprocess
import sys
import time
import urllib.error
import urllib.request

import numpy as np
import pandas
import pytest
from cameras import children, served
from faces import write_video
from scripts import ROOT

from dfuse_jax.experiments.analyse import COLUMNS, analyse_all
from dfuse_jax.runtime.errors import UserError
from dfuse_jax.serve import jobs


def test_a_video_that_is_too_large_or_too_long_is_refused_before_a_frame_is_decoded(tmp_path):
    write_video(tmp_path / "large.mp4", [np.zeros((1200, 2000, 3), np.uint8)])
    with pytest.raises(UserError, match=r"2000 x 1200 pixels; up to 2000000"):
        jobs.check(tmp_path / "large.mp4", most_pixels=2_000_000, most_seconds=10)
    write_video(tmp_path / "long.mp4", [np.zeros((64, 64, 3), np.uint8)] * 30, fps=2)
    with pytest.raises(UserError, match=r"lasts 15 seconds; up to 10"):
        jobs.check(tmp_path / "long.mp4", most_pixels=2_000_000, most_seconds=10)
    jobs.check(tmp_path / "long.mp4", most_pixels=2_000_000, most_seconds=20)
    (tmp_path / "cut.mp4").write_bytes((tmp_path / "long.mp4").read_bytes()[:200])
    with pytest.raises(UserError, match="cut off or damaged"):
        jobs.check(tmp_path / "cut.mp4", most_pixels=2_000_000, most_seconds=20)


CUT_OFF = 0


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A server whose temporary files are in a folder of its own."""
    folder = tmp_path_factory.mktemp("temporary")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        with served() as (address, process):
            yield address, process, folder


def ask(url, data=None, method=None):
    """Returns the status and the answer; CUT_OFF where the connection was closed before it came."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, method=method), timeout=400) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except urllib.error.URLError:
        return CUT_OFF, b""


def files_in(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.slow
def test_rows_are_those_of_analyse(site, real_smile, tmp_path):
    address, _, folder = site
    video = pathlib.Path(real_smile[0])
    expected = analyse_all([video], tmp_path / "out", workers=1).smiles
    code, body = ask(f"{address}/v1/analyse?wait=0", video.read_bytes())
    job = json.loads(body)
    assert code == 202 and job["status"] in ("queued", "running")
    assert ask(f"{address}/v1/jobs/{job['id']}", method="DELETE")[0] == 409
    while job["status"] in ("queued", "running"):
        time.sleep(0.3)
        job = json.loads(ask(f"{address}/v1/jobs/{job['id']}")[1])
    assert job["status"] == "done", job
    table = pandas.DataFrame(job["smiles"])[list(COLUMNS)]
    numbers = expected.select_dtypes("number").columns
    np.testing.assert_allclose(table[numbers].astype(float), expected[numbers].astype(float), rtol=1e-5, atol=1e-6)
    text = ask(f"{address}/v1/jobs/{job['id']}?format=csv")[1].decode().splitlines()
    assert text[0].split(",") == list(COLUMNS) and len(text) == 1 + len(expected)
    assert ask(f"{address}/v1/jobs/{job['id']}", method="DELETE")[0] == 204
    assert ask(f"{address}/v1/jobs/{job['id']}")[0] == 404
    assert files_in(folder) == []


@pytest.mark.slow
def test_the_client_of_the_docs_prints_the_smiles(site, real_smile):
    command = [sys.executable, ROOT / "docs" / "live_client.py", real_smile[0], site[0]]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1 and "probability None" in done.stdout
    assert len((ROOT / "docs" / "live_client.py").read_text().splitlines()) <= 40


@pytest.mark.slow
def test_hostile_videos_end_their_job_alone(site, real_smile, tmp_path):
    address, process, folder = site
    good = pathlib.Path(real_smile[0]).read_bytes()
    write_video(tmp_path / "large.mp4", [np.zeros((4000, 4000, 3), np.uint8)])
    hostile = {
        "too large": (tmp_path / "large.mp4").read_bytes(),
        "cut": good[: len(good) // 2],
        "noise": good[:64] + np.random.default_rng(0).integers(0, 256, 100_000, np.uint8).tobytes(),
        "a name": b"\x00\x00\x00\x20ftypisom" + b"../../etc/passwd\x00" * 100,
    }
    for name, data in hostile.items():
        code, body = ask(f"{address}/v1/analyse", data)
        assert code in (422, 202), name
        assert code == 202 or str(folder) not in json.loads(body)["detail"], name
    assert ask(f"{address}/v1/analyse", bytes(100 << 20))[0] in (415, CUT_OFF)  # while it still sends
    assert json.loads(ask(f"{address}/v1/health")[1])["status"] == "ok" and process.poll() is None
    assert files_in(folder) == []


@pytest.mark.slow
def test_a_job_whose_process_is_killed_fails_and_leaves_nothing(site, real_smile):
    address, process, folder = site
    _, body = ask(f"{address}/v1/analyse?wait=0", pathlib.Path(real_smile[0]).read_bytes())
    job = json.loads(body)
    while not (pids := children(process.pid, "serve.jobs")):
        time.sleep(0.05)
    os.kill(pids[0], 9)
    while job["status"] in ("queued", "running"):
        time.sleep(0.1)
        job = json.loads(ask(f"{address}/v1/jobs/{job['id']}")[1])
    assert job["status"] == "failed" and "signal 9" in job["reason"]
    assert files_in(folder) == []

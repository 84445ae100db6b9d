"""Many videos: nothing twice, nothing lost to a bad video, a kill or a full disk."""

import errno
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from dfuse_jax import samples
from dfuse_jax.extract import manifest, on_cores
from dfuse_jax.extract.batch import Job, extract_all
from dfuse_jax.extract.landmarks import extract_landmarks
from dfuse_jax.runtime import files
from dfuse_jax.runtime.errors import UserError

SCRIPT = pathlib.Path(__file__).parents[2] / "launch" / "extract.py"


class Lethal(str):
    """A subject that ends the process which reads it, as a fault of native code does."""

    def __reduce__(self):
        return signal.raise_signal, (signal.SIGSEGV,)


@pytest.fixture
def no_worker(monkeypatch):
    """Makes extracting an error."""

    def run(jobs, workers):
        for job in jobs:
            raise AssertionError(f"{job.name} would be extracted")
        yield from ()

    monkeypatch.setattr(on_cores, "run", run)


def test_outcome_is_what_each_video_gives_alone(jobs, extracted):
    out, outcome = extracted
    assert outcome.failed == {}
    assert outcome.extracted == {name: out / f"{name}.npz" for name in "abc"}
    assert list(outcome.extracted) == ["a", "b", "c"]
    for job in jobs:
        sample, alone = samples.load(out / f"{job.name}.npz"), extract_landmarks(job.path)
        np.testing.assert_array_equal(sample.landmarks, alone.landmarks)
        assert (sample.name, sample.label, sample.subject) == (job.name, job.label, job.subject)
        assert (sample.source, sample.fps, sample.image_size) == (alone.source, 25.0, (320, 240))


def test_any_number_of_processes_and_any_order_give_the_same_bytes(jobs, extracted, tmp_path):
    extract_all(jobs[::-1], tmp_path, workers=2)
    for name in ("a.npz", "b.npz", "c.npz", manifest.NAME):
        assert (tmp_path / name).read_bytes() == (extracted[0] / name).read_bytes()


@pytest.mark.usefixtures("no_worker")
def test_what_is_done_is_not_done_again(jobs, extracted):
    out, outcome = extracted
    before = {path: path.stat().st_mtime_ns for path in out.glob("*.npz")}
    assert extract_all(jobs, out) == outcome
    assert {path: path.stat().st_mtime_ns for path in out.glob("*.npz")} == before


@pytest.mark.usefixtures("no_worker")
def test_labels_and_subjects_change_without_extraction(jobs, extracted, copy):
    assert extract_all([job._replace(label=1, subject="someone else") for job in jobs], copy).failed == {}
    for name in "abc":
        sample, before = samples.load(copy / f"{name}.npz"), samples.load(extracted[0] / f"{name}.npz")
        assert (sample.label, sample.subject) == (1, "someone else")
        np.testing.assert_array_equal(sample.landmarks, before.landmarks)
        assert manifest.read(copy)[name]["subject"] == "someone else"
    extract_all(jobs, copy)  # and back
    for path in extracted[0].glob("*.npz"):
        assert (copy / path.name).read_bytes() == path.read_bytes()


@pytest.mark.usefixtures("no_worker")
def test_another_video_of_the_same_name_is_not_taken_for_done(videos, copy):
    before = (copy / "a.npz").read_bytes()
    outcome = extract_all([Job(videos["b"], "a")], copy)
    assert "another video's landmarks" in outcome.failed["a"]
    assert str(videos["b"]) in outcome.failed["a"] and str(copy / "a.npz") in outcome.failed["a"]
    assert (copy / "a.npz").read_bytes() == before


def test_files_of_other_versions_and_damaged_ones_are_made_anew(jobs, extracted, copy):
    sample, record = samples.load(copy / "a.npz"), samples.load_record(copy / "a.npz")
    record["versions"]["mediapipe"] = "0.9"
    (copy / "a.npz").write_bytes(samples.encode(sample, record))
    (copy / "b.npz").write_bytes((copy / "b.npz").read_bytes()[:500])
    (copy / ".c.npz.x7k2").write_bytes(b"of a process that was killed")
    untouched = (copy / "c.npz").stat().st_mtime_ns
    assert extract_all(jobs, copy, workers=1).failed == {}
    assert (copy / "c.npz").stat().st_mtime_ns == untouched
    assert not (copy / ".c.npz.x7k2").exists()
    for name in "ab":
        assert (copy / f"{name}.npz").read_bytes() == (extracted[0] / f"{name}.npz").read_bytes()


def test_every_bad_video_is_named_and_the_others_extracted(videos, extracted, tmp_path):
    text, empty, picture = (tmp_path / f"{kind}.mp4" for kind in ("text", "empty", "picture"))
    text.write_text("not a video\n" * 100)
    empty.touch()
    cut = tmp_path / "cut.avi"
    cut.write_bytes(videos["c"].read_bytes()[: videos["c"].stat().st_size // 2])
    Image.new("RGB", (64, 64)).save(picture, format="png")
    renamed = tmp_path / "renamed.webm"
    renamed.write_bytes(videos["a"].read_bytes())
    jobs = [
        *(Job(path, path.stem) for path in (text, empty, cut, picture, tmp_path / "missing.mp4")),
        Job(videos["a"], "deadly", 1, Lethal("x")),
        Job(renamed, "renamed"),
        Job(videos["b"], "renamed"),
        Job(videos["b"], "b", 1, "subject b"),
        Job(videos["c"], "../c"),
        Job(videos["c"], "labelled", 3),
    ]
    outcome = extract_all(jobs, tmp_path / "out", workers=2)
    assert list(outcome.extracted) == ["renamed", "b"]
    expected = {
        "text": "no video",
        "empty": "empty (0 bytes)",
        "cut": "cut off",
        "picture": "a picture",
        "missing": "no such file",
        "deadly": "died (signal 11",
        "renamed": f"{videos['b']}: would be written to renamed.npz like {renamed}",
        "../c": "cannot name a file",
        "labelled": "label is 3",
    }
    assert list(outcome.failed) == [job.name for job in jobs if job.name in expected and job.path != renamed]
    for name, words in expected.items():
        assert words in outcome.failed[name]
        assert "\n" not in outcome.failed[name]
    assert (tmp_path / "out" / "b.npz").read_bytes() == (extracted[0] / "b.npz").read_bytes()
    entries = manifest.read(tmp_path / "out")
    assert "no video" in entries["text"]["error"] and "error" not in entries["renamed"]


def test_a_full_disk_loses_nothing(jobs, extracted, tmp_path, monkeypatch):
    real = os.fsync

    def fsync(descriptor):
        if len(list(tmp_path.glob("*.npz"))) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    monkeypatch.setattr(files.os, "fsync", fsync)
    with pytest.raises(UserError, match=r"c\.npz: cannot be written \(No space left on device\)\. The 2 videos"):
        extract_all(jobs, tmp_path, workers=1)
    monkeypatch.undo()
    kept = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.npz")}
    assert kept.keys() == {"a.npz", "b.npz"}
    assert not list(tmp_path.glob(".*.npz.*"))
    assert extract_all(jobs, tmp_path, workers=1).failed == {}
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in kept} == kept
    assert (tmp_path / manifest.NAME).read_bytes() == (extracted[0] / manifest.NAME).read_bytes()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_and_started_again(videos, tmp_path, how):
    """No process is left, what was finished is kept, and the rest is done by the same command."""
    for index in range(40):
        os.link(videos["a"], tmp_path / f"v{index:02d}.avi")
    out = tmp_path / "out"
    command = [sys.executable, SCRIPT, tmp_path, "--out", out, "--workers", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    until = time.monotonic() + 60
    while not list(out.glob("*.npz")):
        assert time.monotonic() < until and process.poll() is None
        time.sleep(0.05)
    process.send_signal(how)
    output = process.communicate(timeout=10)[1]  # the other process holds the pipe, too: it has ended
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert output.startswith(b"interrupted") and output.count(b"\n") == 1
    finished = {path: path.stat().st_mtime_ns for path in out.glob("*.npz")}
    assert 0 < len(finished) < 40
    again = subprocess.run(command, capture_output=True, timeout=120)
    assert again.returncode == 0, again.stderr
    assert len(manifest.read(out)) == len(list(out.glob("*.npz"))) == 40
    assert {path: path.stat().st_mtime_ns for path in finished} == finished


def test_one_process_at_a_time_works_in_a_folder(jobs, tmp_path):
    with files.locked(tmp_path), pytest.raises(UserError, match="another process is working there"):
        extract_all(jobs, tmp_path)


def test_chips_are_stored_when_they_are_asked_for_and_landmarks_stay(jobs, extracted, copy):
    (job,) = [job for job in jobs if job.name == "a"]
    before = samples.load(copy / "a.npz")
    assert before.chip_source is None
    assert extract_all([job._replace(chips=True)], copy).failed == {}
    sample = samples.load(copy / "a.npz")
    np.testing.assert_array_equal(sample.landmarks, before.landmarks)
    np.testing.assert_array_equal(sample.chips, extract_landmarks(job.path).chips)
    assert sample.chips.shape == (len(sample.landmarks), 128, 128, 3)
    assert manifest.read(copy)["a"]["chips"] is True


def test_chips_are_kept_when_labels_change_or_nobody_asks_for_them(jobs, extracted, copy, request):
    (job,) = [job._replace(chips=True) for job in jobs if job.name == "a"]
    extract_all([job], copy)
    content = (copy / "a.npz").read_bytes()
    request.getfixturevalue("no_worker")
    assert extract_all([job._replace(chips=False)], copy).failed == {}
    assert (copy / "a.npz").read_bytes() == content
    assert extract_all([job._replace(subject="someone else")], copy).failed == {}
    assert samples.load(copy / "a.npz").subject == "someone else"
    assert extract_all([job], copy).failed == {}
    assert (copy / "a.npz").read_bytes() == content

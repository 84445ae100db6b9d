"""Many videos: the same on any number of processes, nothing twice, nothing lost to a bad video, kill or full disk."""

import errno
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

pytest.importorskip("mediapipe")
pytest.importorskip("skimage")

from faces import render_smile, smiling, write_video
from PIL import Image

from dfuse_jax import dmarkers, samples
from dfuse_jax.data.synthetic import generate
from dfuse_jax.extract import batch, contact_sheet, manifest, quality
from dfuse_jax.extract.batch import Job, extract_all
from dfuse_jax.extract.mesh import extract
from dfuse_jax.runtime import files
from dfuse_jax.runtime.errors import UserError

SCRIPT = pathlib.Path(__file__).parents[2] / "launch" / "extract.py"
NAMES = ("a", "b", "c")


class Lethal(str):
    """A subject that ends the process which reads it, as a fault of native code does."""

    def __reduce__(self):
        return signal.raise_signal, (signal.SIGSEGV,)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """{name: video}, which differ."""
    folder = tmp_path_factory.mktemp("videos")
    for seed, name in enumerate(NAMES):
        render_smile(folder / f"{name}.avi", frames=6 + seed, size=(320, 240), start=1, onset=2, apex=1, seed=seed)
    return {name: folder / f"{name}.avi" for name in NAMES}


def _jobs(videos):
    return [Job(path, name, index % 2, f"subject {name}") for index, (name, path) in enumerate(videos.items())]


@pytest.fixture(scope="module")
def made(videos, tmp_path_factory):
    """The folder of one process, and the outcome."""
    out = tmp_path_factory.mktemp("made") / "out"
    return out, extract_all(_jobs(videos), out, workers=1)


@pytest.fixture
def copy(made, tmp_path):
    """A folder with the same files, to be changed."""
    for path in made[0].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


@pytest.fixture
def no_worker(monkeypatch):
    """Extracting is an error."""

    def run(jobs, workers):
        for job in jobs:
            raise AssertionError(f"{job.name} would be extracted")
        yield from ()

    monkeypatch.setattr(batch.processes, "run", run)


def test_outcome_is_what_each_video_gives_alone(videos, made):
    out, outcome = made
    assert outcome.failed == {}
    assert outcome.extracted == {name: out / f"{name}.npz" for name in NAMES}
    assert list(outcome.extracted) == list(NAMES)
    for job in _jobs(videos):
        sample, alone = samples.load(out / f"{job.name}.npz"), extract(job.path)
        np.testing.assert_array_equal(sample.landmarks, alone.landmarks)
        assert (sample.name, sample.label, sample.subject) == (job.name, job.label, job.subject)
        assert (sample.source, sample.fps, sample.image_size) == (alone.source, 25.0, (320, 240))


def test_any_number_of_processes_and_any_order_give_the_same_bytes(videos, made, tmp_path):
    extract_all(_jobs(videos)[::-1], tmp_path, workers=2)
    for name in (*(f"{name}.npz" for name in NAMES), manifest.NAME):
        assert (tmp_path / name).read_bytes() == (made[0] / name).read_bytes()


def test_manifest_tells_versions_and_videos(videos, made):
    told = json.loads((made[0] / "manifest.json").read_text())
    assert told["versions"]["mediapipe"] == "0.10.21"
    assert told["versions"].keys() == {"dfuse_jax", "mediapipe", "opencv"}
    entry = told["videos"]["b"]
    assert (entry["source"], entry["frames"], entry["fps"], entry["size"]) == ("b.avi", 7, 25.0, [320, 240])
    assert (entry["interpolated"], entry["other_faces"], entry["resampled"]) == ([], 0, False)
    assert entry["checksum"].startswith(f"{videos['b'].stat().st_size}-")
    assert entry["quality"]["detection_rate"] == 1


def test_what_is_done_is_not_done_again(videos, made, no_worker):
    out, outcome = made
    before = {path: path.stat().st_mtime_ns for path in out.glob("*.npz")}
    assert extract_all(_jobs(videos), out) == outcome
    assert {path: path.stat().st_mtime_ns for path in out.glob("*.npz")} == before


def test_labels_and_subjects_change_without_extraction(videos, made, copy, no_worker):
    jobs = [Job(path, name, 1, "someone else") for name, path in videos.items()]
    assert extract_all(jobs, copy).failed == {}
    for name in NAMES:
        sample, before = samples.load(copy / f"{name}.npz"), samples.load(made[0] / f"{name}.npz")
        assert (sample.label, sample.subject) == (1, "someone else")
        np.testing.assert_array_equal(sample.landmarks, before.landmarks)
    extract_all(_jobs(videos), copy)  # and back
    for path in made[0].glob("*.npz"):
        assert (copy / path.name).read_bytes() == path.read_bytes()


def test_a_lost_manifest_is_made_from_the_files(videos, made, copy, no_worker):
    (copy / manifest.NAME).write_text('{"versions": {')
    extract_all(_jobs(videos)[:1], copy)
    assert (copy / manifest.NAME).read_bytes() == (made[0] / manifest.NAME).read_bytes()


def test_another_video_of_the_same_name_is_not_taken_for_done(videos, copy, no_worker):
    before = (copy / "a.npz").read_bytes()
    outcome = extract_all([Job(videos["b"], "a")], copy)
    assert "another video's landmarks" in outcome.failed["a"]
    assert str(videos["b"]) in outcome.failed["a"] and str(copy / "a.npz") in outcome.failed["a"]
    assert (copy / "a.npz").read_bytes() == before


def test_files_of_other_versions_and_damaged_ones_are_made_anew(videos, made, copy):
    sample, record = samples.load(copy / "a.npz"), samples.load_record(copy / "a.npz")
    record["versions"]["mediapipe"] = "0.9"
    (copy / "a.npz").write_bytes(samples.encode(sample, record))
    (copy / "b.npz").write_bytes((copy / "b.npz").read_bytes()[:500])
    (copy / ".c.npz.x7k2").write_bytes(b"of a process that was killed")
    untouched = (copy / "c.npz").stat().st_mtime_ns
    assert extract_all(_jobs(videos), copy, workers=1).failed == {}
    assert (copy / "c.npz").stat().st_mtime_ns == untouched
    assert not (copy / ".c.npz.x7k2").exists()
    for name in "ab":
        assert (copy / f"{name}.npz").read_bytes() == (made[0] / f"{name}.npz").read_bytes()


def test_every_bad_video_is_named_and_the_others_extracted(videos, made, tmp_path):
    text, empty, cut, picture = (tmp_path / f"{kind}.mp4" for kind in ("text", "empty", "cut", "picture"))
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
    says = {
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
    assert list(outcome.failed) == [job.name for job in jobs if job.name in says and job.path != renamed]
    for name, words in says.items():
        assert words in outcome.failed[name]
        assert "\n" not in outcome.failed[name]
    assert (tmp_path / "out" / "b.npz").read_bytes() == (made[0] / "b.npz").read_bytes()
    told = manifest.read(tmp_path / "out")
    assert "no video" in told["text"]["error"] and "error" not in told["renamed"]


def test_a_full_disk_loses_nothing(videos, made, tmp_path, monkeypatch):
    real, full = os.fsync, False

    def fsync(descriptor):
        if full or len(list(tmp_path.glob("*.npz"))) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    monkeypatch.setattr(files.os, "fsync", fsync)
    with pytest.raises(UserError, match=r"c\.npz: cannot be written \(No space left on device\)\. The 2 videos"):
        extract_all(_jobs(videos), tmp_path, workers=1)
    monkeypatch.undo()
    kept = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("*.npz")}
    assert kept.keys() == {"a.npz", "b.npz"}
    assert not list(tmp_path.glob(".*.npz.*"))
    assert extract_all(_jobs(videos), tmp_path, workers=1).failed == {}
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in kept} == kept
    assert (tmp_path / manifest.NAME).read_bytes() == (made[0] / manifest.NAME).read_bytes()


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


def test_one_process_at_a_time_works_in_a_folder(videos, tmp_path):
    from dfuse_jax.experiments.workdir import locked

    with locked(tmp_path), pytest.raises(UserError, match="another process is working there"):
        extract_all(_jobs(videos), tmp_path)


def test_the_last_video_leaves_nothing_behind(videos, tmp_path):
    """The mesh follows a face from frame to frame, but not from video to video."""
    moved = tmp_path / "moved.avi"
    write_video(moved, [np.roll(image, 60, axis=1) for image, _ in smiling((320, 240), frames=6)])
    first = extract(videos["a"]).landmarks
    extract(moved)
    np.testing.assert_array_equal(extract(videos["a"]).landmarks, first)


def test_old_files_are_read(tmp_path, made):
    """As they were before there were interpolated frames and records."""
    sample = samples.load(made[0] / "a.npz")
    old = {"name": "a", "landmarks": sample.landmarks, "fps": 25.0, "image_size": (320, 240), "label": 1}
    np.savez_compressed(tmp_path / "old.npz", **old)
    loaded = samples.load(tmp_path / "old.npz")
    assert (loaded.interpolated, loaded.subject, loaded.label) == ((), None, 1)
    assert samples.load_record(tmp_path / "old.npz") is None


def test_jitter_is_the_deviation_of_the_noise():
    """A steady face that moves and grows evenly, with noise of a known size, in per cent of the eyes' distance."""
    rng = np.random.default_rng(0)
    face = rng.uniform(0.3, 0.7, (478, 3))
    face[33, :2], face[263, :2] = (0.4, 0.4), (0.6, 0.4)  # 0.2 apart
    moving = face + np.linspace(0, 0.1, 200)[:, None, None]
    noise = rng.normal(0, 0.002, moving.shape)
    assert quality.jitter(moving, 1.0) == 0
    assert quality.jitter(moving + noise, 1.0) == pytest.approx(1, rel=0.03)
    assert quality.jitter(moving[:2], 1.0) is None


def test_pose_is_that_of_the_dmarkers():
    for sample in generate(videos=4, subjects=2, seed=1):
        expected = dmarkers.head_pose(sample.landmarks, aspect=sample.aspect)
        np.testing.assert_allclose(quality.head_pose(sample.landmarks, sample.aspect), expected, atol=2e-3)


def test_contact_sheet_shows_every_video_and_is_paged(made, copy, monkeypatch):
    table, page = contact_sheet.report(copy)
    assert (table.name, page.name) == ("quality.csv", "contact_sheet.png")
    with Image.open(page) as image:
        tile = [
            np.asarray(image.convert("L"))[12:122, 12 + n * contact_sheet.WIDTH :][:, : contact_sheet.WIDTH]
            for n in range(3)
        ]
    assert all(500 < (dots < 128).sum() < 4000 for dots in tile)  # three faces of 478 dots, some on each other
    monkeypatch.setattr(contact_sheet, "ROWS", 1)
    monkeypatch.setattr(contact_sheet, "COLUMNS", 2)
    assert [path.name for path in contact_sheet.report(copy)[1:]] == ["contact_sheet_001.png", "contact_sheet_002.png"]
    assert not page.exists()

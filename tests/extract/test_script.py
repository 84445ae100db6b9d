"""dfuse-extract as a user calls it."""

import csv
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from archives import rewrite

from dfuse_jax import dmarkers, samples
from dfuse_jax.extract.landmarks import extract_landmarks

SCRIPT = pathlib.Path(__file__).parents[2] / "launch" / "extract.py"


def _script(*arguments):
    done = subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stdout + done.stderr
    return done


def test_script_extracts_the_good_and_lists_the_bad(videos, tmp_path):
    out = tmp_path / "new" / "out"
    folder = tmp_path / "videos" / "deep"
    folder.mkdir(parents=True)
    good, text, missing, twin = tmp_path / "a.avi", tmp_path / "text.mp4", tmp_path / "missing.mp4", folder / "a.mkv"
    good.write_bytes(videos["a"].read_bytes())
    text.write_text("not a video\n" * 100)
    twin.write_text("whatever")
    (folder / "notes.txt").write_text("no video, and not named like one")
    done = _script(good, text, missing, tmp_path / "videos", "--out", out)
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert lines[0] == "error: 3 of 4 videos not extracted:"
    by_video = {line.split(":")[0]: line for line in lines[1:]}
    assert by_video.keys() == {str(text), str(missing), str(twin)}
    assert str(good) in by_video[str(twin)]  # the twin's reason names the video that has its name
    made = {path.name for path in out.iterdir()} - {".lock"}
    assert made == {"a.npz", "manifest.json", "quality.csv", "contact_sheet.png", "dmarkers.csv"}
    sample = extract_landmarks(good)
    np.testing.assert_array_equal(samples.load(out / "a.npz").landmarks, sample.landmarks)
    with (out / "dmarkers.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["name"], row["definition"], row["frames"], float(row["fps"])) == ("a", "robust", "6", sample.fps)
    features = dmarkers.compute(sample.landmarks, sample.fps, aspect=sample.aspect, definition="robust")
    values = [float(row[name]) for name in dmarkers.FEATURE_NAMES]
    np.testing.assert_allclose(values, features, rtol=1e-5, atol=1e-6)
    assert "1 of 4 videos are in" in done.stdout
    with (out / "quality.csv").open() as file:
        rows = {row["name"]: row for row in csv.DictReader(file)}
    assert (rows["a"]["frames"], rows["a"]["width"], rows["a"]["detection_rate"]) == ("6", "320", "1.0")
    assert "no video" in rows["text"]["error"]

    before = (out / "a.npz").stat().st_mtime_ns
    again = _script(good, f"--out={out}")
    assert (again.returncode, again.stderr) == (0, "")
    assert (out / "a.npz").stat().st_mtime_ns == before
    assert "flags" not in again.stdout


def test_script_says_which_files_carry_no_flags(copy, videos):
    rewrite(copy / "a.npz", **{"flags.npy": None})
    (copy / "manifest.json").unlink()  # it is made anew, from the files
    done = _script(videos["a"], videos["b"], "--out", copy)
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 videos, first a, carry no flags: nothing says in which frames the face was covered" in done.stdout


def test_script_takes_no_landmarks(extracted, tmp_path):
    done = _script(extracted[0] / "a.npz", "--out", tmp_path)
    assert done.returncode == 2 and "a.npz: is no video. If it holds landmarks" in done.stderr


def test_script_reads_unusual_names_links_and_what_the_videos_do_not_say(videos, tmp_path):
    """F7, F12: a name that is not UTF-8 stops neither the table nor the contact sheet, now or later."""
    name = os.fsdecode(b"caf\xe9")
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / f"{name}.avi").write_bytes(videos["a"].read_bytes())
    (tmp_path / "top").mkdir()
    (tmp_path / "top" / "link").symlink_to(tmp_path / "real")
    out = tmp_path / "out"
    done = _script(tmp_path / "top", "--out", out, "--pixel_aspect", "16:15", "--fps", "50")
    assert (done.returncode, done.stderr) == (0, "")
    sample = samples.load(out / f"{name}.npz")
    assert (sample.name, sample.image_size, sample.fps) == (name, (341, 240), 50)
    assert (out / "contact_sheet.png").exists()
    with (out / "quality.csv").open() as file:
        assert [row["name"] for row in csv.DictReader(file)] == [r"caf\xe9"]
    (tmp_path / "real" / f"{name}.avi").write_text("no video any more")
    done = _script(tmp_path / "top", "--out", out, "--pixel_aspect", "16:15", "--fps", "50")
    assert done.returncode == 2
    assert r"caf\udce9.avi: " in done.stderr and "another video's landmarks" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "out"], "No videos given"),
        (["a.mp4"], "--out is missing"),
        (["a.mp4", "--out", "out", "--workers", "0"], "workers"),
        ([".", "--out", "out"], "no videos in this folder"),
        (["a.mp4", "--out", str(SCRIPT)], "cannot be made a folder"),
        (["a.mp4", "--out", "out", "--pixel_aspect", "wide"], "pixel_aspect='wide': expected"),
        (["a.mp4", "--ot", "out"], "Unknown command line flag 'ot'"),
        (["a.mp4", "--out"], "Missing value for flag --out"),
    ],
)
def test_script_refuses_bad_arguments(arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = _script(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1

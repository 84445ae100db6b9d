"""Recordings to tables: rows, files, several people, and what a kill leaves."""

import csv
import os
import random
import signal
import subprocess
import sys
import time

import av
import numpy as np
import pandas
import pytest
from faces import portrait, smiling, write_video
from scripts import ROOT, command, environment, launch

import dfuse_jax
from dfuse_jax import dmarkers, samples
from dfuse_jax.experiments import predict
from dfuse_jax.experiments.analyse import COLUMNS, analyse_all
from dfuse_jax.extract import flags, on_cores
from dfuse_jax.runtime.errors import UserError

SIZE = (240, 240)
KILLS = int(os.environ.get("DFUSE_JAX_KILLS", "3"))


@pytest.fixture(scope="module")
def analysed(real_smile, tmp_path_factory):
    out = tmp_path_factory.mktemp("analysed") / "out"
    return out, analyse_all([real_smile[0]], out, workers=1, overlays=True)


@pytest.fixture(scope="module")
def couple(tmp_path_factory):
    """Two people side by side: the left one smiles, the right one stays as she is."""
    path = tmp_path_factory.mktemp("couple") / "couple.mkv"
    still = portrait(SIZE)[:, ::-1]
    moves = smiling(SIZE, frames=70, start=20, onset=12, apex=14, offset=12, motion=0.3)
    write_video(path, [np.hstack([image, still]) for image, _ in moves])
    return path


def test_a_smile_is_a_row(analysed):
    """Rendered with its onset in frames 8 to 26, apex to 41 and offset to 63."""
    table = analysed[1].smiles
    assert list(table.columns) == list(COLUMNS)
    (row,) = table.to_dict("records")
    assert (row["file"], row["person"], row["smile"], row["fps"]) == ("astronaut.mkv", 1, 1, 25.0)
    assert 6 < row["start_frame"] < 16 and 52 < row["end_frame"] < 66
    assert row["start_frame"] < row["apex_frame"] < row["offset_frame"] < row["end_frame"]
    assert row["start_s"] == pytest.approx(row["start_frame"] / 25)
    assert (row["flagged"], row["judged"], row["reason"]) == (False, False, "")
    assert np.isnan(row["probability"])


def test_the_files_hold_what_is_returned(analysed):
    out, analysis = analysed
    stored = pandas.read_parquet(out / "smiles.parquet")
    pandas.testing.assert_frame_equal(stored, analysis.smiles)
    text = pandas.read_csv(out / "smiles.csv", keep_default_na=True)
    np.testing.assert_allclose(text[list(dmarkers.FEATURE_NAMES)], stored[list(dmarkers.FEATURE_NAMES)], rtol=1e-5)
    assert (out / "timelines" / "astronaut.png").read_bytes().startswith(b"\x89PNG")
    frames = pandas.read_parquet(out / "frames" / "astronaut.parquet")
    assert len(frames) == 75 and frames["smile"].sum() > 30
    assert {"lip", "eye", "cheek", "yaw", "covered", "lip_at_rest"} <= set(frames.columns)


def test_features_are_those_of_the_sample_of_the_smile(analysed):
    out, analysis = analysed
    sample = samples.load(out / "smiles" / "astronaut_p1_s001.npz")
    expected = dmarkers.compute(sample.landmarks, sample.fps, aspect=sample.aspect, definition="robust")
    row = analysis.smiles.loc[0, list(dmarkers.FEATURE_NAMES)].to_numpy(float)
    np.testing.assert_allclose(row, expected, rtol=1e-4, atol=1e-5)


def test_landmarks_are_those_that_extraction_gives(analysed, real_sample):
    sample = samples.load(analysed[0] / "smiles" / "astronaut_p1_s001.npz")
    whole = real_sample.landmarks
    (first,) = [k for k in range(len(whole)) if np.array_equal(whole[k], sample.landmarks[0])]
    np.testing.assert_array_equal(sample.landmarks, whole[first : first + len(sample.landmarks)])


def test_the_overlay_is_h264_of_as_many_frames(analysed):
    with av.open(str(analysed[0] / "overlays" / "astronaut.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "h264"
        assert sum(1 for _ in container.decode(video=0)) == 75


def test_what_is_done_is_not_done_again(analysed, real_smile):
    out, analysis = analysed

    def times():
        return {path: path.stat().st_mtime_ns for path in out.glob("*/*.*") if path.parent.name != "annotations"}

    before = times()
    assert len(before) == 4  # frames, timeline, sample, overlay
    again = analyse_all([real_smile[0]], out, overlays=True)
    assert times() == before
    pandas.testing.assert_frame_equal(again.smiles, analysis.smiles)


def test_an_overlay_that_is_asked_for_later_takes_the_landmarks_that_are_left(analysed, real_smile, monkeypatch):
    out, _ = analysed
    overlay = out / "overlays" / "astronaut.mp4"
    whole = drawn(overlay)
    overlay.unlink()
    monkeypatch.setattr(on_cores, "run", lambda jobs, workers: (yield from list(jobs)))  # nothing is extracted
    analyse_all([real_smile[0]], out, overlays=True)
    later = drawn(overlay)
    row = pandas.read_csv(out / "smiles.csv").iloc[0]
    inside = slice(int(row["first_frame"]), int(row["last_frame"]) + 1)
    np.testing.assert_array_equal(later[inside], whole[inside])
    assert len(later) == len(whole)


def drawn(path):
    """[T], how many pixels of each frame are green, as mesh and signal of the first person are."""
    with av.open(str(path)) as container:
        images = [frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)]
    return np.array([((i[..., 1] - i[..., 0] > 60) & (i[..., 1] - i[..., 2] > 20)).sum() // 200 for i in images])


def test_frames_of_a_sample_are_told(analysed):
    out, analysis = analysed
    row = analysis.smiles.iloc[0]
    sample = samples.load(out / "smiles" / "astronaut_p1_s001.npz")
    assert row["last_frame"] - row["first_frame"] + 1 == len(sample.landmarks)
    assert row["first_frame"] <= row["start_frame"] and row["end_frame"] <= row["last_frame"]
    assert (row["start_cut"], row["end_cut"]) == (False, False)


def test_only_our_own_unfinished_files_are_removed(analysed, real_smile):
    out, _ = analysed
    mine, theirs = out / "frames" / ".astronaut.parquet.abcd1234", out / ".notes.original"
    mine.write_text(""), theirs.write_text("")
    analyse_all([real_smile[0]], out)
    assert theirs.exists() and not mine.exists()
    theirs.unlink()


def test_models_that_see_pictures_are_refused_before_anything_is_done(monkeypatch, tmp_path):
    monkeypatch.setattr(predict, "load", lambda path: type("Pictures", (), {"sees_pictures": True}))
    with pytest.raises(UserError, match="run: its models see pictures of the face"):
        analyse_all([tmp_path / "video.mp4"], tmp_path / "out", checkpoint="run")
    assert not (tmp_path / "out").exists()


def test_everybody_gets_a_track_and_rows(couple, tmp_path):
    table = dfuse_jax.analyse(couple, tmp_path / "out", workers=1)
    assert table["person"].nunique() == 1 and len(table) == 1
    frames = pandas.read_parquet(tmp_path / "out" / "frames" / "couple.parquet")
    assert sorted(frames["person"].unique()) == [1, 2]
    ranges = frames.groupby("person")["lip"].agg(lambda lip: lip.max() - lip.min())
    smiles = int(table.loc[0, "person"])
    assert ranges[smiles] > 0.1 > 2 * ranges[3 - smiles]
    assert frames.groupby("person")["lip"].count().min() > 60  # neither takes the other's face


def test_a_video_without_faces_has_no_row_and_one_that_is_none_is_named(tmp_path):
    write_video(tmp_path / "grey.mp4", [np.full((120, 160, 3), 90, np.uint8)] * 5)
    (tmp_path / "text.mp4").write_text("no video\n")
    analysis = analyse_all([tmp_path / "grey.mp4", tmp_path / "text.mp4"], tmp_path / "out", workers=1)
    assert len(analysis.smiles) == 0 and list(analysis.smiles.columns) == list(COLUMNS)
    assert analysis.notes == {"grey": ("no face is found in it.",)}
    assert analysis.failed.keys() == {"text"}
    with pytest.raises(UserError, match="is no video"):
        dfuse_jax.analyse(tmp_path / "text.mp4")
    with pytest.raises(UserError, match="have one name"):
        analyse_all([tmp_path / "grey.mp4", tmp_path / "other" / "grey.mp4"], tmp_path / "out")


def test_a_missing_package_is_named_with_its_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UserError, match=r'pip install "dfuse_jax\[analyse\]"'):
        dfuse_jax.analyse(tmp_path / "video.mp4")


@pytest.mark.slow
def test_kills_lose_nothing_and_nothing_is_there_twice(tmp_path):
    for number in range(4):
        timing = {"frames": 60 + 4 * number, "start": 15, "onset": 12, "apex": 12, "offset": 12}
        write_video(tmp_path / f"v{number}.mkv", [image for image, _ in smiling(SIZE, seed=number, **timing)])
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (tmp_path / "compiles", whole):
        start = time.monotonic()
        done = launch("analyse", tmp_path, "--out", folder, "--workers=2")
        assert (done.returncode, done.stdout.startswith("4 smiles in 4 of 4 videos")) == (0, True), done.stderr
        duration = time.monotonic() - start
    rng = random.Random(5)
    for _ in range(KILLS):
        process = subprocess.Popen(
            command("analyse", tmp_path, "--out", killed, "--workers=2"),
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(rng.uniform(0.1, 0.9) * duration)
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = launch("analyse", tmp_path, "--out", killed, "--workers=2")
    assert done.returncode == 0, done.stderr
    assert (killed / "smiles.csv").read_bytes() == (whole / "smiles.csv").read_bytes()
    with (killed / "smiles.csv").open() as file:
        assert len({(row["file"], row["person"], row["smile"]) for row in csv.DictReader(file)}) == 4

    def files(folder):
        return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))

    assert files(killed) == files(whole)


class Models:
    """Two models that give every smile 0.8 and 0.9."""

    sees_pictures = False

    def judge(self, sample):
        return predict.Verdict(np.array([0.8, 0.9]), "", ("it has 25 frames per second",))


def test_a_checkpoint_judges_what_can_be_judged_and_makes_groups(analysed, real_smile, monkeypatch):
    out, _ = analysed
    monkeypatch.setattr(predict, "load", lambda path: Models())
    (row,) = analyse_all([real_smile[0]], out, checkpoint="run").smiles.to_dict("records")
    assert (row["judged"], row["models"]) == (True, 2)
    assert (row["probability"], row["probability_sd"]) == (pytest.approx(0.85), pytest.approx(0.05))
    assert row["cautions"] == "it has 25 frames per second"
    assert (out / "groups.csv").read_text().startswith("feature,group,other,n,")
    assert "smile 1, spontaneous 85%" in (out / "annotations" / "astronaut.vtt").read_text()
    monkeypatch.setattr(flags, "refusal", lambda sample: "dark")
    (out / ".parts" / "astronaut" / "state.json").unlink()  # so that all is done again
    (row,) = analyse_all([real_smile[0]], out, checkpoint="run", workers=1).smiles.to_dict("records")
    assert (row["judged"], row["reason"]) == (False, "dark") and np.isnan(row["probability"])

"""The whole chain on the video of a real face: pixels, landmarks, signals, phases, probability, plot."""

import csv
import dataclasses
import io
import json
import shutil

import numpy as np
import pytest
from faces import render_smile
from PIL import Image
from scripts import launch, refused

from dfuse_jax import dmarkers, samples

REST, APEX, FALL, END = 8, 26, 41, 63  # frames where the warp begins, is whole, goes back, has ended


def test_a_real_smile_has_its_onset_apex_and_offset_where_the_face_moves(real_sample):
    assert real_sample.landmarks.shape == (75, 478, 3)
    assert np.isfinite(real_sample.landmarks).all()
    lip = dmarkers.signals(real_sample.landmarks, aspect=real_sample.aspect, smoothing="4253H").mean[2]
    rest, apex, after = np.mean(lip[:REST]), np.mean(lip[APEX:FALL]), np.mean(lip[END + 2 :])
    assert apex > rest * 1.1
    assert abs(after - rest) < (apex - rest) / 4
    onset, _, offset = (np.nonzero(phase)[0] for phase in dmarkers.phases(lip))
    # The longest monotone runs lie within the movements: jitter and the head's sway may cut or lengthen them.
    assert REST - 4 <= onset[0] and onset[-1] <= APEX + 5 and len(onset) >= 8
    assert FALL - 5 <= offset[0] and offset[-1] <= END + 5 and len(offset) >= 8
    assert onset[-1] < offset[0]
    assert lip[onset[-1]] - lip[onset[0]] > (apex - rest) / 2
    assert lip[offset[0]] - lip[offset[-1]] > (apex - rest) / 2


def test_features_of_a_real_smile_are_finite_and_in_seconds(real_sample):
    features = dict(
        zip(
            dmarkers.FEATURE_NAMES,
            np.asarray(
                dmarkers.compute(real_sample.landmarks, real_sample.fps, aspect=real_sample.aspect, smoothing="4253H")
            ),
            strict=True,
        )
    )
    assert np.isfinite(list(features.values())).all()
    assert 8 / 25 <= features["lip_onset_duration"] <= 27 / 25  # the warp's onset is 18 frames at 25 fps
    assert features["lip_onset_amplitude_net"] > 0
    assert features["lip_offset_duration_increasing"] == 0


@pytest.fixture(scope="module")
def predicted(finished, real_smile, tmp_path_factory):
    """The folder of plots, and what the script printed."""
    plots = tmp_path_factory.mktemp("predicted") / "plots"
    done = launch("predict", "--checkpoint", finished[0], real_smile[0], "--out", plots)
    assert done.returncode == 0, done.stderr[-3000:]
    return plots, done


def test_predict_prints_a_probability_and_draws_the_signals(predicted):
    plots, done = predicted
    line = done.stdout.strip().splitlines()[-1]
    assert "astronaut.mkv: spontaneous with probability" in line and "6 models" in line  # 3 folds, 2 runs
    low, high = (float(word.rstrip("%);,")) for word in line.split(" models, ")[1].split(";")[0].split(" to "))
    assert 0 <= low <= float(line.split("probability ")[1].split("%")[0]) <= high <= 100
    with Image.open(plots / "astronaut.png") as image:
        assert min(image.size) > 300
        assert len(np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)) > 50  # lines and shades


def test_predict_reads_what_extract_made_and_warns_of_few_frames(finished, tmp_path):
    video = tmp_path / "brief.avi"
    render_smile(video, frames=9, start=1, onset=3, apex=1, offset=3)
    assert launch("extract", video, "--out", tmp_path).returncode == 0
    done = launch("predict", "--checkpoint", finished[0], tmp_path / "brief.npz", video, "--out", tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    of_sample, of_video = done.stdout.strip().splitlines()[-2:]
    assert of_sample.split(": ", 1)[1] == of_video.split(": ", 1)[1].replace("brief_2.png", "brief.png")
    assert "9 frames are less than a clip of 16" in of_video


def test_predict_judges_the_good_videos_and_lists_the_bad_ones(finished, predicted, real_smile, tmp_path):
    text = tmp_path / "notes.mp4"
    text.write_text("no video")
    done = launch("predict", "--checkpoint", finished[0], text, real_smile[0], tmp_path / "none.mp4", "--out", tmp_path)
    alone, _, _ = predicted[1].stdout.strip().splitlines()[-1].partition("; signals in")
    assert "astronaut.mkv: spontaneous" in alone and alone in done.stdout
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "2 of 3 videos" in done.stderr and "notes.mp4" in done.stderr and "none.mp4" in done.stderr


def test_predict_takes_folders_writes_nothing_over_and_prints_tables(finished, real_sample, tmp_path):
    """Two samples of one name in two folders, one of which a hand covers for half of its frames."""
    covered = np.zeros(75, np.uint16)
    covered[:38] = 1
    samples_of = {"plain": real_sample, "covered": dataclasses.replace(real_sample, flags=covered)}
    for name, sample in samples_of.items():
        (tmp_path / "in" / name).mkdir(parents=True)
        samples.save(sample, tmp_path / "in" / name / "astronaut.npz")
    out = tmp_path / "out"
    done = launch("predict", "--checkpoint", finished[0], tmp_path / "in", "--out", out, "--format=json")
    assert done.returncode == 0, done.stderr[-3000:]
    refusal, verdict = json.loads(done.stdout)["videos"]
    assert (refusal["judged"], refusal["probability"], refusal["models"]) == (False, None, 0)
    assert "covered in 51% of the frames, up to 20% are allowed" in refusal["reason"]
    assert verdict["judged"] and verdict["models"] == 6
    assert verdict["lowest"] <= verdict["probability"] <= verdict["highest"]
    assert sorted(path.name for path in out.iterdir()) == ["astronaut.png", "astronaut_2.png"]
    before = (out / "astronaut.png").read_bytes()
    done = launch("predict", "--checkpoint", finished[0], tmp_path / "in" / "plain", "--out", out, "--format=csv")
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert float(row["probability"]) == pytest.approx(verdict["probability"])
    assert row["plot"].endswith("astronaut_3.png") and (out / "astronaut.png").read_bytes() == before
    done = launch("predict", "--checkpoint", finished[0], tmp_path / "in" / "covered", "--out", out)
    assert "astronaut.npz: not judged: mouth or eyes covered in 51%" in done.stdout
    refused(launch("predict", "--checkpoint", finished[0], out), "no videos in this folder")


def test_predict_refuses_what_is_no_finished_run(finished, real_smile, tmp_path):
    video = real_smile[0]
    refused(launch("predict", video), "--checkpoint DIR")
    refused(launch("predict", "--checkpoint", tmp_path / "none", video), "no such folder", "dfuse-cv", "--workdir")
    refused(launch("predict", "--checkpoint", tmp_path, video), "no finished run", "results.json")
    other = tmp_path / "other"
    shutil.copytree(finished[0], other)
    results = json.loads((other / "results.json").read_text())
    results["config"]["model"]["mlp"] = 12
    (other / "results.json").write_text(json.dumps(results))
    refused(launch("predict", "--checkpoint", other, video), "another architecture", "mlp", " 8) there", " 12) here")


def test_extracted_files_of_a_short_video_can_be_read_back(tmp_path):
    video = tmp_path / "short.avi"
    render_smile(video, frames=6, start=1, onset=2, apex=1, offset=2, fps=29.97, size=(320, 240))
    done = launch("extract", video, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr[-2000:]
    sample = samples.load(tmp_path / "out" / "short.npz")
    assert (sample.name, len(sample.landmarks), sample.image_size) == ("short", 6, (320, 240))
    assert abs(sample.fps - 29.97) < 0.01

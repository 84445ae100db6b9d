"""Databases built from their videos by tfds' own command, read again, and trained on; one's own videos the same way."""

import json

import numpy as np
import pytest
import tensorflow_datasets as tfds
from fakes import FAKES, write_database, write_table
from scripts import TINY, launch, refused

from dfuse_jax import samples
from dfuse_jax.data.build import builders
from dfuse_jax.data.layouts import folder
from dfuse_jax.data.load import load_dataset, load_with_folds
from dfuse_jax.runtime.errors import UserError

BUILDERS = {"uva_nemo": builders.UvaNemo, "mmi": builders.Mmi, "spos": builders.Spos, "bbc": builders.Bbc}

SUBJECTS = {
    "uva_nemo": {"001_deliberate_smile_2": "001", "003_spontaneous_smile_5": "003"},
    "mmi": {"108": None, "2152": None},
    "spos": {"posed_riku-13": "riku", "spontaneous_nelly-1": "nelly"},
    "bbc": {"Genuine_smilecontent q05": "Genuine_smilecontent q05"},
}
TRAIN = [option for option in TINY if not option.startswith(("--config=", "--config.data", "--config.cv"))] + [
    *("--config.cv.runs=1", "--config.model.tokens=4", "--config.model.steps=2", "--config.model.time_depth=1"),
    *("--config.train.epochs=2", "--config.dmarkers.smoothing="),
]


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """Builds a fake database, once, and returns (manual_dir, data_dir, {video: frames})."""
    done = {}

    def build(name):
        if name not in done:
            manual, data = tmp_path_factory.mktemp(f"manual_{name}"), tmp_path_factory.mktemp(f"data_{name}")
            lengths = write_database(name, manual)
            config = tfds.download.DownloadConfig(manual_dir=manual)
            BUILDERS[name](data_dir=data).download_and_prepare(download_config=config)
            done[name] = manual, data, lengths
        return done[name]

    return build


@pytest.mark.parametrize("name", FAKES)
def test_a_database_is_built_and_served(built, name):
    _, data, lengths = built(name)
    served = {
        record["name"].decode(): record
        for record in tfds.builder_from_directory(data / name / "1.0.0").as_data_source(split="all")
    }
    assert served.keys() == lengths.keys()
    for label, (names, _, size, fps) in FAKES[name].items():
        for video in names:
            record = served[video]
            assert record["landmarks"].shape == (lengths[video], 478, 3)
            assert record["landmarks"].dtype == np.float32
            assert record["label"] == label
            assert tuple(record["image_size"]) == size
            assert record["fps"] == pytest.approx(fps)
            extracted = samples.load(data / name / "landmarks" / f"{video}.npz")
            np.testing.assert_array_equal(record["landmarks"], extracted.landmarks)
    for video, subject in SUBJECTS[name].items():
        assert served[video]["subject"].decode() == (subject or "")


@pytest.mark.parametrize("name", FAKES)
def test_what_is_built_is_what_is_read(built, name):
    _, data, lengths = built(name)
    for place in (data, data / name, data / name / "1.0.0"):
        found = load_dataset(str(place), name)
        assert [sample.name for sample in found.samples] == sorted(lengths)
        assert not found.folds and not found.notes  # made by the builder, so made by the reader as a config asks
    for sample in found.samples:
        extracted = samples.load(data / name / "landmarks" / f"{sample.name}.npz")
        np.testing.assert_array_equal(sample.landmarks, extracted.landmarks)
        np.testing.assert_array_equal(sample.flags, extracted.flags)
        assert sample.interpolated == extracted.interpolated and sample.chip_source is None
        assert (sample.fps, sample.image_size, sample.label, sample.subject) == (
            extracted.fps,
            extracted.image_size,
            extracted.label,
            extracted.subject,
        )
    for video, subject in SUBJECTS[name].items():
        assert {sample.name: sample.subject for sample in found.samples}[video] == subject


def test_folds_are_splits_of_whole_subjects(built):
    _, data, _ = built("uva_nemo")
    builder = tfds.builder_from_directory(data / "uva_nemo" / "1.0.0")
    tested = [
        {record["name"].decode()[:3] for record in builder.as_data_source(split=f"fold_{fold}")} for fold in (1, 2, 3)
    ]
    assert sorted(map(sorted, tested)) == [["001"], ["002"], ["003"]]
    assert set(builder.info.splits) == {"fold_1", "fold_2", "fold_3"}


def test_published_folds_are_served_and_a_damaged_video_is_left_out(built, tmp_path):
    manual, _, lengths = built("spos")
    folds = {
        "1": ["posed_nelly-1", "spontaneous_nelly-1"],
        "2": ["posed_riku-13", "spontaneous_riku-16", "spontaneous_riku-20"],
    }
    root = tmp_path / "manual"
    root.mkdir()
    for path in manual.glob("*.avi"):
        (root / path.name).symlink_to(path)
    (root / "spontaneous_riku-20.avi").write_bytes(b"no video")
    (root / "unasked.avi").write_bytes(b"in no fold")
    every = {video: int(video.startswith("spon")) for videos in folds.values() for video in videos}
    for fold, videos in folds.items():
        (root / "labels" / fold).mkdir(parents=True)
        for part, wanted in (("test", True), ("train", False)):
            labels = {video: label for video, label in every.items() if (video in videos) == wanted}
            (root / "labels" / fold / f"{part}.json").write_text(json.dumps(labels))
    run = launch("build", "spos", "--chips", "--manual_dir", root, "--data_dir", tmp_path)
    assert run.returncode == 0, run.stderr[-2000:]
    assert "1 videos are in no fold and left out" in run.stdout and "unasked.avi" in run.stdout
    found = load_dataset(str(tmp_path), "spos")
    assert [s.name for s in found.samples] == sorted(lengths)
    assert [[found.samples[i].name for i in fold.test] for fold in found.folds] == [folds["1"], folds["2"][:2]]
    assert [[found.samples[i].name for i in fold.train] for fold in found.folds] == [folds["2"][:2], folds["1"]]
    assert len(found.notes) == 1 and "left out when it was built" in found.notes[0] and "riku-20" in found.notes[0]

    for sample in found.samples:  # the data set has its own copies
        extracted = samples.load(tmp_path / "spos" / "landmarks" / f"{sample.name}.npz")
        np.testing.assert_array_equal(sample.chips, extracted.chips)
        assert (tmp_path / "spos" / "1.0.0" / "chips" / f"{sample.name}.npz").exists()

    # What was extracted is kept by a build that fails, and by the next.
    kept = tmp_path / "spos" / "landmarks" / "posed_nelly-1.npz"
    content = kept.read_bytes()
    (root / "labels" / "2" / "test.json").write_text("{")
    run = launch("build", "spos", "--manual_dir", root, "--data_dir", tmp_path, "--overwrite")
    refused(run, "2/test.json: cannot be read as JSON")
    assert kept.read_bytes() == content


def test_a_folder_of_samples_has_chips_if_it_is_asked_for_them(built, tmp_path):
    manual, _, lengths = built("spos")
    videos = [(path, path.name.split("_")[0], path.stem) for path in sorted(manual.glob("*.avi"))]
    write_table(tmp_path / "videos.csv", videos)
    assert folder.make(tmp_path / "videos.csv", tmp_path / "out") == {}
    options = {"source": "folder", "directory": tmp_path / "out", "num_folds": 2, "say": str}
    assert len(load_with_folds(**options).samples) == 4
    with pytest.raises(UserError, match=r"4 of 4 samples, first posed_nelly-1, have no pictures of the face") as caught:
        load_with_folds(**options, chips=True)
    assert caught.value.remedy == "chips"
    assert folder.make(tmp_path / "videos.csv", tmp_path / "out", chips=True) == {}
    for _ in range(2):  # the second time from the cache
        for sample in load_with_folds(**options, chips=True).samples:
            assert sample.chips.shape == (lengths[sample.name], 128, 128, 3)


@pytest.mark.slow
def test_a_built_database_is_trained_on(built, tmp_path):
    """As is a folder of samples: what extraction made is one."""
    _, data, _ = built("uva_nemo")
    options = ("--config=configs/hadamard.py:uva_nemo", *TRAIN, f"--config.data.dir={data}", "--workdir", tmp_path)
    refused(launch("cv", *options), "10 folds of 3 subjects")
    done = launch("cv", *options, "--config.cv.folds=3")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "6 videos (3 spontaneous, 3 posed) of 3 subjects" in done.stdout
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["protocols"]["validated"]

    folder = f"--config.data.dir={data / 'uva_nemo' / 'landmarks'}"
    options = ("--config=configs/hadamard.py:folder", *TRAIN, folder, "--workdir", tmp_path / "folder")
    done = launch("cv", *options, "--config.cv.folds=3")
    assert done.returncode == 0, done.stderr[-2000:]
    again = json.loads((tmp_path / "folder" / "results.json").read_text())
    assert again["protocols"] == results["protocols"]  # the same samples and folds, whichever way they were read


def test_ones_own_videos_become_a_data_set(built, tmp_path):
    manual, _, lengths = built("spos")
    lines = [
        (f"{manual.name}/{video}.avi", ("posed", "spontaneous")[video.startswith("spon")], video.split("_")[1][:4])
        for video in lengths
    ]
    table, out = manual.parent / f"{tmp_path.name}.csv", tmp_path / "out"
    write_table(table, [*lines, (f"{manual.name}/broken.mp4", "posed", "x")])
    (manual / "broken.mp4").write_bytes(b"no video")
    run = launch("dataset", table, "--out", out)
    (manual / "broken.mp4").unlink()
    assert run.returncode == 2 and "1 files are left out" in run.stderr and "broken.mp4" in run.stderr
    assert "4 videos (2 spontaneous, 2 posed) of 2 subjects" in run.stdout

    write_table(table, lines)
    times = {path.name: path.stat().st_mtime_ns for path in out.glob("*.npz")}
    assert launch("dataset", table, "--out", out).returncode == 0
    assert times.keys() == {f"{video}.npz" for video in lengths}
    found = load_dataset(str(out), "folder")
    assert {s.name: (s.label, s.subject) for s in found.samples} == {
        video: (int(video.startswith("spon")), video.split("_")[1][:4]) for video in lengths
    }
    options = ("--config=configs/hadamard.py:folder", f"--config.data.dir={out}", "--workdir", tmp_path / "run")
    refused(launch("cv", *options), "10 folds of 2 subjects")

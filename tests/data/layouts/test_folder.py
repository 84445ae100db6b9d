"""Folders of samples."""

import json
import os
import sys
import unicodedata

import numpy as np
import pytest
from layouts import LINES, make_sample, write_csv, write_fold, write_folder

from dfuse_jax import samples
from dfuse_jax.data import synthetic
from dfuse_jax.data.layouts import folder
from dfuse_jax.data.load import load_dataset
from dfuse_jax.runtime.errors import UserError


def test_a_folder_of_samples_is_read_with_its_own_labels_or_its_tables(tmp_path):
    write_folder(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    found = load_dataset(str(tmp_path), "folder").samples
    assert [(s.name, s.label, s.subject, len(s.landmarks)) for s in found] == [
        ("a", 0, "z", 1),
        ("b", 0, "z", 2),
        ("c", 0, "z", 3),
    ]
    write_csv(tmp_path / "samples.csv", LINES)
    found = load_dataset(str(tmp_path), "folder").samples
    assert [(s.name, s.label, s.subject) for s in found] == [("a", 0, "x"), ("b", 1, "y"), ("c", 1, None)]
    write_csv(tmp_path / "samples.csv", LINES[:2])  # what the table does not name is not in the data set
    assert [s.name for s in load_dataset(str(tmp_path), "folder").samples] == ["a", "b"]


def test_samples_of_version_0_1_are_read_and_counted(tmp_path):
    write_folder(tmp_path)
    assert load_dataset(str(tmp_path), "folder").notes == ()
    sample = samples.load(tmp_path / "a.npz")
    old = {"name": "a", "landmarks": sample.landmarks, "fps": sample.fps, "image_size": sample.image_size, "label": 1}
    np.savez_compressed(tmp_path / "a.npz", **old)  # as version 0.1 wrote it: nothing says its format
    for _ in range(2):  # from the files, then from the cache
        dataset = load_dataset(str(tmp_path), "folder")
        assert [(s.name, s.label) for s in dataset.samples] == [("a", 1), ("b", 0), ("c", 0)]
        (note,) = dataset.notes
        assert note.startswith("1 of 3 samples were made by dfuse_jax 0.1, which read pixels that are not square")


def test_samples_without_flags_are_counted(tmp_path):
    write_folder(tmp_path)
    samples.save(make_sample(name="d", flags=None), tmp_path / "d.npz")
    for _ in range(2):  # from the files, then from the cache
        (note,) = load_dataset(str(tmp_path), "folder").notes
        assert note.startswith("1 of 4 samples carry no flags: nothing says in which frames the face was covered")


def test_a_folder_may_come_with_folds(tmp_path):
    write_folder(tmp_path)
    write_csv(tmp_path / "samples.csv", LINES)
    labels = {"a": 0, "b": 1, "c": 1}
    for number, test in enumerate("abc", 1):
        (tmp_path / "labels" / str(number)).mkdir(parents=True)
        for part, wanted in (("train", False), ("test", True)):
            part_labels = {name: label for name, label in labels.items() if (name == test) == wanted}
            (tmp_path / "labels" / str(number) / f"{part}.json").write_text(json.dumps(part_labels))
    assert [list(fold.test) for fold in load_dataset(str(tmp_path), "folder").folds] == [[0], [1], [2]]
    write_csv(tmp_path / "samples.csv", [("a.npz", 1, "x"), *LINES[1:]])
    with pytest.raises(UserError, match="a has label 0 there and 1 in the samples"):
        load_dataset(str(tmp_path), "folder")
    write_csv(tmp_path / "samples.csv", LINES[:2])
    with pytest.raises(UserError, match="c is in labels only"):
        load_dataset(str(tmp_path), "folder")


def test_a_bad_folder_is_named(tmp_path):
    for directory in ("", str(tmp_path / "none"), str(tmp_path)):
        with pytest.raises(UserError, match="no samples") as error:
            load_dataset(directory, "folder")
        assert error.value.remedy == "folder"
    write_folder(tmp_path)
    samples.save(make_sample(name="d", label=None), tmp_path / "d.npz")
    with pytest.raises(UserError, match=r"1 samples have no label, first d.*path,label,subject") as error:
        load_dataset(str(tmp_path), "folder")
    assert error.value.remedy == "folder"
    samples.save(make_sample(name="a"), tmp_path / "d.npz")
    with pytest.raises(UserError, match="two samples are named a"):
        load_dataset(str(tmp_path), "folder")
    (tmp_path / "d.npz").write_bytes(b"")
    with pytest.raises(UserError, match=r"d\.npz: not a sample file"):
        load_dataset(str(tmp_path), "folder")
    (tmp_path / "d.npz").unlink()
    (tmp_path / "d.npz").symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"d\.npz: cannot be read"):
        load_dataset(str(tmp_path), "folder")


def test_a_sample_beside_the_folder_is_watched_for_changes(tmp_path):
    """The table may list files of other folders: the cache must not outlive them."""
    (tmp_path / "data").mkdir()
    write_folder(tmp_path)
    write_csv(tmp_path / "data" / "samples.csv", [(f"../{path}", label, subject) for path, label, subject in LINES])
    assert [len(sample.landmarks) for sample in load_dataset(tmp_path / "data", "folder").samples] == [1, 2, 3]
    samples.save(make_sample(name="a", landmarks=np.full((9, 478, 3), 0.5, np.float32)), tmp_path / "a.npz")
    assert [len(sample.landmarks) for sample in load_dataset(tmp_path / "data", "folder").samples] == [9, 2, 3]


def test_hidden_files_are_no_samples(tmp_path):
    write_folder(tmp_path)
    (tmp_path / "._a.npz").write_bytes(b"\0\5\x16\7")
    (tmp_path / "labels" / ".ipynb_checkpoints").mkdir(parents=True)
    assert [sample.name for sample in load_dataset(tmp_path, "folder").samples] == ["a", "b", "c"]


def test_a_name_that_is_not_utf8_is_refused(tmp_path):
    latin_1 = os.fsdecode(b"Jos\xe9")
    write_folder(tmp_path)
    samples.save(make_sample(name="d"), tmp_path / f"{latin_1}.npz")
    with pytest.raises(UserError, match=r"/Jos\\xe9\.npz: the name is not valid UTF-8"):
        load_dataset(tmp_path, "folder")
    (tmp_path / f"{latin_1}.npz").unlink()
    for changes in ({"name": latin_1}, {"name": "d", "subject": latin_1}):
        samples.save(make_sample(**changes), tmp_path / "d.npz")
        with pytest.raises(UserError, match=r"d\.npz: its name .*Jos.* is not valid UTF-8. Rename the video") as error:
            load_dataset(tmp_path, "folder")
        str(error.value).encode()


def test_names_are_compared_whichever_form_their_letters_have(tmp_path):
    composed, decomposed = (unicodedata.normalize(form, "José") for form in ("NFC", "NFD"))
    for name, label in ((decomposed, 0), ("b", 1)):
        samples.save(make_sample(name=name, label=label, subject=name[0]), tmp_path / f"{name}.npz")
    write_fold(tmp_path, 1, train={composed: 0}, test={"b": 1})
    write_fold(tmp_path, 2, train={"b": 1}, test={composed: 0})
    for table in (False, True):
        if table:
            write_csv(tmp_path / "samples.csv", [(f"{composed}.npz", 0, "J"), ("b.npz", 1, "b")])
        dataset = load_dataset(tmp_path, "folder")
        assert [sample.name for sample in dataset.samples] == [composed, "b"]
        assert [fold.test.tolist() for fold in dataset.folds] == [[1], [0]]


def test_landmarks_that_are_no_fractions_are_refused(tmp_path):
    write_folder(tmp_path)
    samples.save(make_sample(landmarks=np.full((2, 478, 3), 300.0, np.float32)), tmp_path / "d.npz")
    with pytest.raises(UserError, match="x of frame 0 is 300: pixels"):
        load_dataset(tmp_path, "folder")


RECORDING = "path,label,subject,fps,width,height"
FACE = synthetic.generate(2, 1, seed=4)[0].landmarks[:30]


@pytest.fixture
def no_extras(monkeypatch):
    """MediaPipe and PyAV are not installed."""
    for package in ("mediapipe", "av", "cv2"):
        monkeypatch.setitem(sys.modules, package, None)


def test_landmarks_become_a_data_set_without_what_extraction_needs(tmp_path, no_extras):
    np.save(tmp_path / "a.npy", FACE)
    np.save(tmp_path / "b.npy", FACE[:, :468])
    samples.save(make_sample(name="old name", label=0, flags=np.ones(7, np.uint16)), tmp_path / "c.npz")
    lines = [("a.npy", 1, "x", 25, 640, 480), ("b.npy", 1, "x", 25, 640, 480), ("c.npz", 1, "y", "", "", "")]
    write_csv(tmp_path / "t.csv", lines, RECORDING)
    failed = folder.make(tmp_path / "t.csv", tmp_path / "out")
    assert failed.keys() == {"b"} and "has 468 landmarks" in failed["b"]
    dataset = load_dataset(tmp_path / "out", "folder")
    assert [(s.name, s.label, s.subject, len(s.landmarks)) for s in dataset.samples] == [
        ("a", 1, "x", 30),
        ("c", 1, "y", 7),
    ]
    np.testing.assert_array_equal(dataset.samples[0].landmarks, FACE)
    assert dataset.samples[1].flags.tolist() == [1] * 7
    assert dataset.notes[0].startswith("1 of 2 samples carry no flags")
    assert (tmp_path / "out" / "c.npz").read_bytes() == (tmp_path / "c.npz").read_bytes()


def test_landmarks_that_were_corrected_are_converted_anew(tmp_path):
    write_csv(tmp_path / "t.csv", [("a.npy", 1, "x", 25, 640, 480)], RECORDING)
    for frames in (10, 20):
        np.save(tmp_path / "a.npy", FACE[:frames])
        assert folder.make(tmp_path / "t.csv", tmp_path / "out") == {}
        assert len(load_dataset(tmp_path / "out", "folder").samples[0].landmarks) == frames


def test_landmarks_do_not_replace_those_of_a_video(tmp_path):
    (tmp_path / "out").mkdir()
    extracted = samples.encode(make_sample(name="a", source="video"), {"source": "a.mp4"})
    (tmp_path / "out" / "a.npz").write_bytes(extracted)
    np.save(tmp_path / "a.npy", FACE)
    write_csv(tmp_path / "t.csv", [("a.npy", 1, "x", 25, 640, 480)], RECORDING)
    with pytest.raises(UserError, match=r"no sample could be made: .*a\.npz holds the landmarks of another video"):
        folder.make(tmp_path / "t.csv", tmp_path / "out")
    assert (tmp_path / "out" / "a.npz").read_bytes() == extracted
    write_csv(tmp_path / "u.csv", [("out/a.npz", 1, "x")])  # the file itself stays
    assert folder.make(tmp_path / "u.csv", tmp_path / "out") == {}
    assert (tmp_path / "out" / "a.npz").read_bytes() == extracted


def test_a_video_has_its_own_size(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"")
    write_csv(tmp_path / "t.csv", [("a.mp4", 1, "x", 25, 640, 480)], RECORDING)
    with pytest.raises(UserError, match=r"a\.mp4: is a video, .* leave width, height and units empty in line 2"):
        folder.make(tmp_path / "t.csv", tmp_path / "out")
